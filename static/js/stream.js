// The page of a deployment, live: state -> the page is morphed, log -> the panes, and the truth about the connection.
// #live carries data-stream-url, data-cursor, data-live-url, data-version, data-now (server's epoch ms), data-title
// ("{downtime}" in it ticks), data-favicon (address). Refreshed by every morph.
import { heardServerTime } from "./clocks.js";
import { goToLogin } from "./requests.js";
import { Stream } from "./sse.js";
import { word } from "./words.js";

const GRACE = 2500; // ms without a connection before the page says so
const HIDDEN = 60_000; // ms in the background before the stream is given up
const POLL = 10_000;
const FRESH = 10_000; // ms: answers of the services and sums of time go on while no step changes
const WATCHERS = 3000; // ms: people come and go in bunches
const RETRY = 3000; // ms until a refresh that did not bring the newest state is asked for again

const live = () => document.getElementById("live");
let stream;
let lostSince = null;
let wasOpen = false;
let refreshing = false;
let again = false;
let wanted = -1; // the newest version of the state that the stream told of
let retry;
let soon;

/** Ask for the live part and morph it in; calls that come meanwhile are joined into one more, lost ones are repeated. */
async function refresh() {
  const place = live();
  if (!place) return;
  if (refreshing) { again = true; return; }
  refreshing = true;
  clearTimeout(retry);
  try {
    await window.htmx.ajax("GET", place.dataset.liveUrl, { target: "#live", swap: "outerMorph" });
  } finally {
    refreshing = false;
    if (again) { again = false; refresh(); }
    else if (Number(live()?.dataset.version) < wanted) retry = setTimeout(refresh, RETRY);
  }
}

function dispatch(name, detail) {
  document.dispatchEvent(new CustomEvent(`cloudwiki:${name}`, { detail }));
}

function take({ name, data }) {
  if (name === "log") {
    const piece = JSON.parse(data);
    if (piece.at) heardServerTime(piece.at);
    dispatch("log", piece);
  } else if (name === "state") {
    const { version } = JSON.parse(data || "{}");
    wanted = Math.max(wanted, version ?? -1);
    if (version === undefined || version > Number(live()?.dataset.version)) refresh();
  } else if (name === "watchers") {
    clearTimeout(soon);
    soon = setTimeout(refresh, WATCHERS);
  } else if (name === "done") {
    refresh();
    dispatch("done");
  }
}

function opened() {
  lostSince = null;
  showConnection();
  // A morph that was asked for while the line was down never came.
  if (wasOpen) { refresh(); dispatch("reconnected"); }
  wasOpen = true;
}

function refused(status) {
  if (status === 401 || status === 403) goToLogin();
  else lostSince ??= performance.now();
}

const age = () => (performance.now() - stream.heard) / 1000;

function showConnection() {
  const lost = lostSince !== null && performance.now() - lostSince > GRACE;
  const banner = document.getElementById("stream-lost");
  if (banner) {
    if (banner.hidden === lost) banner.hidden = !lost;
    if (lost) banner.querySelector('[data-stream="age"]').textContent = word("lost-age", { age: Math.round(age()) });
  }
  for (const sign of document.querySelectorAll('[data-stream="live"]')) {
    sign.classList.toggle("lost", lost);
    const text = lost ? word("lost") : stream.closed ? word("live") : word("live-age", { age: age().toFixed(1) });
    (sign.querySelector("span") ?? sign).textContent = text;
  }
}

function showInTab() {
  const place = live();
  if (!place) return;
  const downtime = place.querySelector("[data-downtime] time span")?.textContent ?? "";
  const title = place.dataset.title?.replace("{downtime}", downtime);
  if (title && document.title !== title) document.title = title;
  const icon = document.getElementById("favicon");
  if (icon && place.dataset.favicon && icon.getAttribute("href") !== place.dataset.favicon) icon.href = place.dataset.favicon;
}

// With HTTP/1.1 a browser has six connections for all its tabs: a tab in the background asks now and then instead.
let poll;
let timer;
function visibility() {
  clearTimeout(timer);
  clearInterval(poll);
  if (!document.hidden) {
    if (stream.closed && !stream.ended) stream.open();
    return;
  }
  const protocol = performance.getEntriesByType("navigation")[0]?.nextHopProtocol ?? "";
  if (protocol !== "http/1.1") return;
  timer = setTimeout(() => {
    if (stream.ended) return;
    stream.close();
    poll = setInterval(() => refresh().then(showInTab), POLL);
  }, HIDDEN);
}

/** Nobody's typing or open question is disturbed for a figure. */
const isBusy = () => document.hidden || document.querySelector("dialog[open], #live :is(input, textarea, select):focus");

function start() {
  const place = live();
  if (!place?.dataset.streamUrl) { showInTab(); return; }
  stream = new Stream(place.dataset.streamUrl, place.dataset.cursor, {
    event: (event) => {
      if (event.name === "done" || event.name === "denied") stream.ended = true;
      if (event.name === "denied") { stream.close(); goToLogin(); return; }
      take(event);
    },
    opened,
    lost: () => { lostSince ??= performance.now(); },
    refused: (status) => { stream.ended = true; refused(status); },
  });
  stream.open();
  setInterval(() => { showConnection(); showInTab(); }, 500);
  setInterval(() => { if (!stream.closed && !stream.ended && lostSince === null && !isBusy()) refresh(); }, FRESH);
  showInTab();
  document.addEventListener("htmx:after:swap", showInTab);
  document.addEventListener("visibilitychange", visibility);
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", (event) => { if (event.persisted) stream.open(); });
}

start();
