// What the pages do beyond their HTML. Without this script, only the counting of views is
// missing.
"use strict";

// A page reports that its video was played, once. A report that fails is repeated the next
// time, with the same id.
const video = document.querySelector("video[data-views]");
let reported = false;
video?.addEventListener("play", async () => {
  if (reported) return;
  reported = true;
  const body = new URLSearchParams({view: video.dataset.view});
  const response = await fetch(video.dataset.views, {method: "POST", keepalive: true, body}).catch(() => null);
  reported = response !== null && response.ok;
});

const form = document.querySelector("form.upload");
form?.elements.file.addEventListener("change", event => {
  const file = event.target.files[0];
  const fits = !file || file.size <= Number(form.dataset.maxBytes);
  event.target.setCustomValidity(fits ? "" : "The file is too large.");
});
form?.addEventListener("submit", () => {
  form.querySelector("button").disabled = true;
  document.getElementById("uploading").textContent = "Uploading …";
});

// The form of a page that the browser has kept was submitted: the next video needs another.
addEventListener("pageshow", event => {
  if (event.persisted && form) location.replace("/");
});
