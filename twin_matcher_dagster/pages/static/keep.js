// Copies and saves what a visitor has to keep. The file is made here: the page's server has no part.
element.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy], button[data-save]");
  if (!button) return;
  if (button.dataset.save) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([button.dataset.save], { type: "text/plain" }));
    link.download = button.dataset.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  } else {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      // Without https there is no clipboard: what is selected can be copied.
      const value = element.querySelector(`#${button.dataset.of}`);
      getSelection().selectAllChildren(value);
      document.execCommand("copy");
    }
  }
  const before = button.textContent;
  button.textContent = button.dataset.done;
  setTimeout(() => { button.textContent = before; }, 2000);
});
