// Clocks go on from the value that the server rendered; a refresh of the page corrects them.
//   data-clock  "tenths" (03:18.4), "up" (0:32) or "down" (00:47:13, 6 d 07:28:39)
//   data-ms     milliseconds on the clock at the moment of rendering
//   data-since  instead of data-ms: the server's time (epoch ms) at which the clock stood at zero, or will
import { word } from "./words.js";

const TICK = 100;
const bases = new WeakMap();
let offset = -Infinity; // server clock minus ours; every sample is late by its way here, so the largest is nearest

/** Take a moment of the server's clock (epoch ms or ISO text) as a sample of how far ours is off. */
export function heardServerTime(moment) {
  const at = typeof moment === "number" ? moment : Date.parse(moment);
  if (Number.isFinite(at)) offset = Math.max(offset, at - Date.now());
}

/** The server's time now, in epoch ms, as well as we know it. */
export function serverNow() {
  return Date.now() + (Number.isFinite(offset) ? offset : 0);
}

const two = (number) => String(number).padStart(2, "0");

/** Seconds as 3:18, or 1:02:03 from an hour on. */
export function short(seconds) {
  const whole = Math.floor(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function long(seconds) {
  return seconds < 600 ? `0${short(seconds)}` : short(seconds);
}

function countdown(seconds) {
  const whole = Math.ceil(seconds);
  const days = Math.floor(whole / 86400);
  return `${days ? `${word("days", { days })} ` : ""}${two(Math.floor(whole / 3600) % 24)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

/** Milliseconds on the clock of `element` now. */
function reading(element) {
  const way = element.dataset.clock === "down" ? -1 : 1;
  if (element.dataset.since) return Math.max(0, way * (serverNow() - Number(element.dataset.since)));
  let base = bases.get(element);
  if (!base || base.text !== element.dataset.ms) {
    base = { text: element.dataset.ms, from: performance.now() };
    bases.set(element, base);
  }
  return Math.max(0, Number(base.text) + way * (performance.now() - base.from));
}

function set(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}

function show(element) {
  const ms = reading(element);
  const seconds = ms / 1000;
  if (element.dataset.clock === "tenths") {
    set(element.querySelector("span"), long(seconds));
    set(element.querySelector("i"), `.${Math.floor(ms / 100) % 10}`);
    const panel = element.closest("[data-downtime]");
    if (panel) judge(panel, ms);
  } else {
    set(element, element.dataset.clock === "down" ? countdown(seconds) : short(seconds));
  }
}

/** Colour the downtime panel by its budget, and say it in words: amber at 80 %, red at 100 %. */
function judge(panel, ms) {
  const budget = Number(panel.dataset.budgetMs);
  if (!budget) return;
  const state = ms >= budget ? "failed" : ms >= 0.8 * budget ? "waiting" : "running";
  if (!panel.classList.contains(`s-${state}`)) {
    panel.classList.remove("s-running", "s-waiting", "s-failed");
    panel.classList.add(`s-${state}`);
  }
  const gauge = panel.querySelector("[data-gauge]");
  const width = gauge?.ownerSVGElement.viewBox.baseVal.width ?? 0;
  gauge?.setAttribute("width", (width * Math.min(1, ms / budget)).toFixed(1));
  const over = { running: "", waiting: word("near-budget"), failed: word("over-budget", { time: short((ms - budget) / 1000) }) };
  set(panel.querySelector("[data-verdict]"), over[state]);
}

function tick() {
  for (const element of document.querySelectorAll("[data-clock]")) show(element);
}

function hearPage() {
  const now = document.querySelector("[data-now]")?.dataset.now;
  if (now) heardServerTime(Number(now));
}

hearPage();
tick();
setInterval(tick, TICK);
document.addEventListener("htmx:after:swap", () => { hearPage(); tick(); });
