// A recorder for a clip of the visitor: counts down, shows a ring, stops itself, and hands the clip
// over. Gradio runs it once, with `element`; what is in that may be rendered
// anew, in another language, so nothing of it is kept.
const $ = (selector) => element.querySelector(selector);
const root = () => $(".recorder");
const text = (name) => root().dataset[name];
const say = (name) => { $(".recorder-says").textContent = name ? text(name) : ""; };
const KINDS = ["video/webm;codecs=vp8", "video/webm", "video/mp4"];
// When somebody is told where to look, as shares of the recording.
const TURNS = [[0, "ahead"], [0.25, "left"], [0.62, "right"]];
let stream = null;
let timers = [];
let recorder = null;

const later = (seconds, act) => timers.push(setTimeout(act, 1000 * seconds));

function rest(state) {
  timers.forEach(clearTimeout);
  timers = [];
  stream?.getTracks().forEach((track) => track.stop());
  stream = recorder = null;
  $(".recorder-count").textContent = $(".recorder-hint").textContent = "";
  root().dataset.state = state;
  $("button").textContent = text(state === "done" ? "again" : "start");
}

function fail(reason) {
  rest("failed");
  say(reason);
}

// Why there is no camera, by the name of a sentence; nothing where there may be one.
function obstacle() {
  if (!window.isSecureContext) return "insecure";
  return navigator.mediaDevices?.getUserMedia && window.MediaRecorder ? "" : "unsupported";
}

async function hand(clip) {
  rest("done");
  const video = $("video");
  video.srcObject = null;
  URL.revokeObjectURL(video.src);
  video.src = URL.createObjectURL(clip);
  video.loop = true;
  video.play().catch(() => {});
  say("sent");
  try {
    trigger("submit", { clip: (await handOver("clips", clip)).token });
  } catch (error) {
    rest("failed");
    $(".recorder-says").textContent = why(error, text("dropped"));
  }
}

function record() {
  const seconds = Number(root().dataset.seconds);
  const kind = KINDS.find((one) => MediaRecorder.isTypeSupported(one));
  const parts = [];
  const mine = new MediaRecorder(stream, kind ? { mimeType: kind, videoBitsPerSecond: 5e6 } : {});
  recorder = mine;
  mine.ondataavailable = (event) => event.data.size && parts.push(event.data);
  mine.onstop = () => {
    if (recorder !== mine) return; // it was cancelled
    const type = (mine.mimeType || "video/webm").split(";")[0];
    hand(new File(parts, `clip.${type.split("/")[1]}`, { type }));
  };
  mine.onerror = () => fail("missing");
  mine.start();
  root().dataset.state = "recording";
  $(".recorder-count").textContent = "";
  TURNS.forEach(([share, name]) => later(share * seconds, () => {
    $(".recorder-hint").textContent = text(name);
    say(name);
  }));
  later(seconds, () => mine.state === "recording" && mine.stop());
}

async function start() {
  const hindered = obstacle();
  if (hindered) return fail(hindered);
  root().dataset.state = "asking";
  $("button").textContent = text("stop");
  say("asking");
  try {
    const wanted = { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 720 } };
    const lent = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    if (root().dataset.state !== "asking") return lent.getTracks().forEach((one) => one.stop());
    stream = lent;
    const video = $("video");
    video.loop = false;
    video.srcObject = stream;
    await video.play();
  } catch (error) {
    const known = { NotAllowedError: "refused", SecurityError: "refused", NotReadableError: "busy" };
    return fail(known[error.name] || "missing");
  }
  root().dataset.state = "counting";
  say("soon");
  [3, 2, 1].forEach((left, second) => later(second, () => {
    $(".recorder-count").textContent = left;
  }));
  later(3, record);
}

element.addEventListener("click", (event) => {
  if (!event.target.closest("button")) return;
  if (["idle", "done", "failed"].includes(root().dataset.state)) return void start();
  rest("idle");
  $("video").srcObject = null;
  say("stopped");
});
element.addEventListener("change", (event) => {
  if (event.target.files?.length) hand(event.target.files[0]);
});
window.addEventListener("pagehide", () => rest("idle"));
const look = () => obstacle() && fail(obstacle());
look();
watch("value", look);
