// The guided camera: a frame is handed over, and the next one once it was looked at.
const root = () => element.querySelector(".guided");
const texts = () => JSON.parse(root().dataset.texts);
const fill = (selector, html) => { element.querySelector(selector).innerHTML = html; };
function trouble(text) {
  const box = element.querySelector(".trouble");
  box.textContent = text;
  box.hidden = !text;
}
const EVERY_MS = 200;
let stream = null;
let guide = "";

function stop() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  root().dataset.state = "idle";
  element.querySelector("video").srcObject = null;
  element.querySelector('[data-do="start"]').textContent = texts().start;
}

async function watch(mine) {
  const video = element.querySelector("video");
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  while (stream === mine) {
    const next = new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    canvas.getContext("2d").drawImage(video, 0, 0);
    const frame = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
    const said = await handOver(guide ? `frames?guide=${guide}` : "frames", frame);
    if (stream !== mine) return;
    guide = said.guide;
    fill("#ring", said.ring);
    const advice = element.querySelector("#advice");
    // What is the same is not said again: it is read out.
    if (advice.textContent !== said.advice) advice.textContent = said.advice;
    if (said.done) return finish();
    await next;
  }
}

function finish() {
  const seen = guide;
  stop();
  if (seen) trigger("submit", { guide: seen });
}

async function start() {
  if (stream) return stop();
  trouble("");
  if (!window.isSecureContext) return trouble(texts().insecure);
  try {
    const wanted = { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 720 } };
    const mine = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    stream = mine;
    const video = element.querySelector("video");
    video.srcObject = mine;
    await video.play();
  } catch (error) {
    const known = { NotAllowedError: "refused", SecurityError: "refused", NotReadableError: "busy" };
    stop();
    return trouble(texts()[known[error.name] || "missing"]);
  }
  root().dataset.state = "watching";
  element.querySelector('[data-do="start"]').textContent = texts().stop;
  try {
    await watch(stream);
  } catch (error) {
    stop();
    trouble(why(error, texts().dropped));
  }
}

function again() {
  stop();
  trouble("");
  trigger("submit", { again: guide });
  guide = "";
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-do]");
  if (button) ({ start, finish, again })[button.dataset.do]();
});
window.addEventListener("pagehide", () => stream && stop());
