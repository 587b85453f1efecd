// A clip or photos that there are: chosen, or dropped. What is in `element` may be rendered anew, in
// another language, so nothing of it is kept.
const root = () => element.querySelector(".given");
const texts = () => JSON.parse(root().dataset.texts);
const say = (text) => { element.querySelector(".said").textContent = text; };
function trouble(text) {
  const box = element.querySelector(".trouble");
  box.textContent = text;
  box.hidden = !text;
}

function show(clip) {
  const video = element.querySelector("video");
  if (!video) return;
  const note = element.querySelector("p.unplayable");
  const mark = (unplayable) => {
    video.hidden = unplayable;
    video.classList.toggle("unplayable", unplayable);
    note.hidden = !unplayable;
  };
  mark(false);
  video.onerror = () => mark(true);
  video.onloadedmetadata = () => mark(video.videoWidth === 0);
  if (video.src) URL.revokeObjectURL(video.src);
  video.src = URL.createObjectURL(clip);
}

let latest = 0;
async function take(files) {
  if (!files.length) return;
  latest += 1;
  const mine = latest;
  trouble("");
  say(texts().sending);
  try {
    if (root().dataset.kind === "clip") {
      show(files[0]);
      const { token } = await handOver("clips", files[0]);
      if (mine === latest) trigger("submit", { clip: token });
    } else {
      const photos = [];
      // Of too many none is sent; that they are too many is said by the page.
      for (const file of files.length > Number(root().dataset.most) ? [] : files) {
        photos.push({ token: (await handOver("photos", file)).token, name: file.name });
        if (mine !== latest) return;
      }
      trigger("submit", { photos, count: files.length });
    }
    say(texts().looking);
  } catch (error) {
    say("");
    trouble(why(error, texts().dropped));
  }
}

element.addEventListener("change", (event) => {
  const files = [...event.target.files];
  event.target.value = "";
  take(files);
});
element.addEventListener("dragover", (event) => event.preventDefault());
element.addEventListener("drop", (event) => {
  event.preventDefault();
  take([...event.dataTransfer.files]);
});
window.addEventListener("found", () => root() && say(""));
