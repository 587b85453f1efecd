// The faces that were found: a click, or the space bar, leaves one out or takes it back in.
element.addEventListener("click", (event) => {
  const face = event.target.closest("button.face");
  if (!face) return;
  const kept = face.getAttribute("aria-pressed") !== "true";
  face.setAttribute("aria-pressed", String(kept));
  const left = [...element.querySelectorAll('button.face[aria-pressed="false"]')];
  trigger("select", { left_out: left.map((one) => Number(one.dataset.number)) });
});
