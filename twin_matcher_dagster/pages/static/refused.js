// Why an event of the page was refused, in the words of the server: Gradio's script passes over it.
(() => {
  const ask = window.fetch;
  let box = null;
  let gone = null;

  function tell(text) {
    box?.remove();
    clearTimeout(gone);
    box = document.createElement("div");
    box.className = "refused toast-body error";
    box.setAttribute("role", "alert");
    box.textContent = text;
    box.addEventListener("click", () => box.remove());
    (document.querySelector(".gradio-container") ?? document.body).append(box);
    gone = setTimeout(() => box.remove(), 12_000);
  }

  window.fetch = async (...given) => {
    const answer = await ask(...given);
    if (!answer.ok && answer.url.includes("/gradio_api/run/")) {
      answer.clone().json().then((said) => said.error && tell(said.error), () => {});
    }
    return answer;
  };
})();
