// Loads the page again whenever the API says that it may have changed, and puts the new
// content in place of the old one. Without this script the page is the same, and changes
// when it is loaded again.
"use strict";

const source = document.currentScript.dataset.live;
const every = 2000; // milliseconds between two loads, at least
let loading = false, again = false;

const say = text => {
  const place = document.getElementById("live");
  if (place && place.textContent !== text) place.textContent = text;
};

// A link from elsewhere may claim that something was done. The server shows that only to who
// comes from a page of its own, as every load by this script does.
const here = new URL(location.href);
if (!document.querySelector(".notice.done")) here.searchParams.delete("done");

// busy reports whether the reader is at something that new content would disturb.
const busy = () => {
  const main = document.getElementById("main"), at = document.activeElement;
  return main.contains(at) && at.closest("form") !== null || !getSelection().isCollapsed;
};

// load replaces the content, and keeps what has the focus and how far regions are scrolled.
const load = async () => {
  const answer = await fetch(here, {credentials: "same-origin"});
  if (!answer.ok && answer.status !== 404) throw new Error(answer.status);
  const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
  const main = document.getElementById("main");
  if (!next || next.innerHTML === main.innerHTML || busy()) return;
  const at = main.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const scrolled = [...main.querySelectorAll(".box")].map(box => box.scrollLeft);
  main.replaceChildren(...next.childNodes);
  main.querySelectorAll(".box").forEach((box, n) => { box.scrollLeft = scrolled[n] || 0; });
  if (at !== null) [...main.querySelectorAll("a")].find(link => link.getAttribute("href") === at)?.focus();
};

const changed = async () => {
  if (loading) {
    again = true;
    return;
  }
  loading = true;
  try {
    await load();
  } catch {
    // the next change tries again
  }
  setTimeout(() => {
    loading = false;
    if (again) {
      again = false;
      changed();
    }
  }, every);
};

// A page that is not shown keeps no stream open: a browser has few connections to a site.
let events = null;
const follow = () => {
  if (document.hidden) {
    events?.close();
    events = null;
    return;
  }
  if (events) return;
  events = new EventSource(source);
  events.addEventListener("open", () => {
    say(" Live.");
    changed(); // what happened before it was
  });
  events.addEventListener("error", () => say(" Not live: load the page again to see what has changed."));
  events.addEventListener("changed", changed);
};
document.addEventListener("visibilitychange", () => {
  follow();
  if (!document.hidden) changed();
});
follow();
