// The prediction page's own behaviour. Gradio runs it once, with `element` (the ways to hand a photo
// in), `props` and `trigger`. A photo goes to /photos, into the memory of the page, and is asked
// about by its token.
const texts = () => JSON.parse(element.querySelector(".drop").dataset.texts);
const $ = (selector, root = document) => root.querySelector(selector);
const say = (text, busy) => {
  $(".waiting .said", element).textContent = text;
  $(".waiting .spinner", element).hidden = !busy;
};
let stream = null;
let waiting = null;
let asking = 0;

function trouble(text, phone = false) {
  const box = $(".trouble", element);
  $("p", box).textContent = text;
  $("label", box).hidden = !phone;
  box.hidden = !text;
  if (text) say("", false);
}

function ask(event, what) {
  asking += 1;
  const mine = asking;
  document.body.classList.add("asking");
  say(texts().looking, true);
  clearTimeout(waiting);
  waiting = setTimeout(() => mine === asking && say(texts().still, true), 8000);
  trigger(event, what);
}

function answered() {
  clearTimeout(waiting);
  document.body.classList.remove("asking");
  say("", false);
  const shown = $("#scene .scene[tabindex]") || $("#answer .answered, #answer .problem");
  if (!shown) return;
  shown.focus({ preventScroll: true });
  shown.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

async function handOver(files) {
  const photos = [...files].filter(Boolean);
  if (!photos.length) return;
  stop();
  trouble("");
  say(texts().sending, true);
  try {
    const tokens = [];
    for (const photo of photos.slice(0, 8)) {
      const answer = await fetch(new URL("photos", document.baseURI), {
        method: "POST", body: photo, headers: { "Content-Type": "application/octet-stream" },
      });
      if (!answer.ok) throw new Error(await answer.text());
      tokens.push((await answer.json()).token);
    }
    ask("submit", { tokens });
  } catch (error) {
    // fetch itself throws a TypeError where nobody is there; its words are the browser's.
    trouble(error instanceof TypeError ? texts().dropped : error.message);
  }
}

async function camera() {
  trouble("");
  if (!navigator.mediaDevices?.getUserMedia) return trouble(texts()["camera.insecure"], true);
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 720 } },
    });
  } catch (error) {
    const known = { NotAllowedError: "refused", SecurityError: "refused", NotFoundError: "missing" };
    return trouble(texts()["camera." + (known[error.name] || "failed")], true);
  }
  const video = $("video", element);
  video.srcObject = stream;
  $(".camera", element).hidden = false;
  $(".ways", element).hidden = true;
  $('[data-do="shoot"]', element).focus();
}

function stop() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  $(".camera", element).hidden = true;
  $(".ways", element).hidden = false;
}

// Several frames of one second: the answer is about all of them, and stays the same more often.
async function shoot() {
  const video = $("video", element);
  if (!video.videoWidth) return;
  say(texts()["camera.hold"], true);
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const frames = [];
  for (let n = 0; n < 5; n += 1) {
    canvas.getContext("2d").drawImage(video, 0, 0);
    frames.push(await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 }));
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await handOver(frames);
}

// What is taken home is drawn here, from what the page shows: nobody keeps it.
async function picture() {
  const pair = $("#answer .pair");
  const [face, twin] = ["img.face", "img.twin"].map((one) => $(one, pair));
  const canvas = document.createElement("canvas");
  canvas.width = 1200;
  canvas.height = 800;
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#faf8ff";
  pen.fillRect(0, 0, 1200, 800);
  pen.textAlign = "center";
  const write = (text, x, y, font, colour, width) => {
    pen.font = font;
    pen.fillStyle = colour;
    pen.fillText(text, x, y, width);
  };
  const place = (image, x) => {
    pen.save();
    pen.beginPath();
    pen.roundRect(x, 60, 480, 480, 40);
    pen.clip();
    pen.drawImage(image, x, 60, 480, 480);
    pen.restore();
  };
  pen.imageSmoothingQuality = "high";
  place(face, 90);
  place(twin, 630);
  const sans = "system-ui, sans-serif";
  write(texts()["picture.you"], 330, 590, `600 34px ${sans}`, "#161427", 480);
  write(twin.alt, 870, 590, `600 34px ${sans}`, "#161427", 480);
  write($("#answer .likeness").textContent, 600, 660, `750 46px ${sans}`, "#161427", 1100);
  const ring = $("#answer .ring");
  if (ring) write(ring.getAttribute("aria-label"), 600, 706, `400 28px ${sans}`, "#5d5a72", 1100);
  write(texts()["picture.print"], 600, 764, `400 22px ${sans}`, "#5d5a72", 1100);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  return new File([blob], texts()["picture.file"], { type: "image/png" });
}

async function save() {
  const file = await picture();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function share() {
  const file = await picture();
  await navigator.share({ files: [file], text: texts()["picture.print"] }).catch(() => {});
}

const canShare = () =>
  !!navigator.canShare?.({ files: [new File(["."], "twin.png", { type: "image/png" })] });

let first = null; // of two faces that are to be compared
function face(button) {
  const two = $('#scene [data-do="two"][aria-pressed="true"]');
  const number = Number(button.dataset.face);
  if (!two) return ask("select", { face: number });
  button.classList.add("picked");
  if (first === null || first === number) first = number;
  else {
    ask("select", { pair: [first, number] });
    first = null;
  }
}

function two(button) {
  const faces = [...document.querySelectorAll("#scene .box")];
  if (faces.length === 2) return ask("select", { pair: faces.map((one) => Number(one.dataset.face)) });
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(on));
  first = null;
  faces.forEach((one) => one.classList.remove("picked"));
}

function why(box) {
  for (const name of ["face", "twin"]) {
    const image = $(`#answer .pair img.${name}`);
    image.dataset.plain ??= image.src;
    image.src = box.checked ? box.dataset[name] : image.dataset.plain;
  }
}

function enlarge(button) {
  const box = document.createElement("dialog");
  box.className = "large";
  box.append($("img", button).cloneNode());
  box.setAttribute("aria-label", button.getAttribute("aria-label"));
  box.addEventListener("click", () => box.close());
  box.addEventListener("close", () => box.remove());
  $(".gradio-container").append(box);
  box.showModal();
}

// The first picture of somebody is on the page already: it is not sent twice.
function complete() {
  for (const pictures of document.querySelectorAll(".pictures[data-label]")) {
    const shown = $("summary img", pictures.closest(".other") ?? document.createElement("p"));
    const first = shown ?? $("#answer .pair img.twin");
    if (!first) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.do = "enlarge";
    button.setAttribute("aria-label", pictures.dataset.label);
    const image = document.createElement("img");
    image.src = first.src;
    image.alt = "";
    button.append(image);
    pictures.prepend(button);
    delete pictures.dataset.label;
  }
}

const does = {
  camera, stop, shoot, save, share, two, face, enlarge,
  again: () => {
    element.scrollIntoView();
    $('[data-do="camera"]', element).focus();
  },
  example: (button) => ask("submit", { example: Number(button.dataset.example) }),
  kind: (button) => ask("select", { kind: button.dataset.kind }),
  more: () => ask("select", { more: true }),
};
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-do]");
  if (button) does[button.dataset.do]?.(button);
});
document.addEventListener("change", (event) => {
  if (event.target.dataset?.do === "why") why(event.target);
  if (event.target.dataset?.do !== "choose") return;
  handOver(event.target.files);
  event.target.value = "";
});
const images = (transfer) =>
  [...(transfer?.files ?? [])].filter((file) => !file.type || /^(image|video)\//.test(file.type));
document.addEventListener("paste", (event) => handOver(images(event.clipboardData)));
const over = (on) => document.body.classList.toggle("over", on);
document.addEventListener("dragover", (event) => {
  if (![...event.dataTransfer.types].includes("Files")) return;
  event.preventDefault();
  over(true);
});
document.addEventListener("dragleave", (event) => event.relatedTarget || over(false));
document.addEventListener("drop", (event) => {
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  over(false);
  handOver(event.dataTransfer.files);
});
window.addEventListener("answered", answered);
new MutationObserver(() => {
  complete();
  const button = $('#about [data-do="share"]');
  if (button) button.hidden = !canShare();
  // Gradio says by itself that too many wait, and no event comes of it.
  if (document.body.classList.contains("asking") && $(".toast-body.error")) answered();
}).observe(document.body, { childList: true, subtree: true });
