// The log of one attempt: reads it when it comes into view, grows with the stream, follows, finds, links to lines.
import { LogSearch } from "./log_search.js";
import { LogStore } from "./log_store.js";
import { LogSwitches } from "./log_switches.js";
import { LogView } from "./log_view.js";
import { keepOpen } from "./requests.js";
import { word } from "./words.js";

const PAGE = 1000; // lines asked for at once
const NEAR = 48; // px from the end within which the pane follows
const RETRY = 3; // seconds
const HAND = 1000; // ms after a touch, a wheel or a key in which a scroll is the reader's

export class LogPane extends HTMLElement {
  connectedCallback() {
    if (this.store) return; // moved within the page
    this.store = new LogStore();
    this.lines = this.querySelector(".lines");
    this.attempt = Number(this.dataset.attempt);
    this.following = true;
    this.unseen = 0;
    this.touched = -Infinity;
    this.endTop = 0; // where the pane stood when it last showed its end
    this.waiting = []; // pieces that came while the log was read
    this.asked = new Set();
    this.view = new LogView(this.lines, this.store, {
      step: this.dataset.step, zone: this.dataset.zone, need: (from, to) => this.read(from, to),
    });
    this.search = new LogSearch(this);
    this.switches = new LogSwitches(this);
    this.bind();
    this.visible = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) this.start();
    }, { rootMargin: "200px" });
    this.visible.observe(this);
  }

  disconnectedCallback() {
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.visible.disconnect();
      this.view.stop();
      document.removeEventListener("cloudwiki:log", this.onPiece);
      document.removeEventListener("cloudwiki:reconnected", this.onReconnect);
      removeEventListener("hashchange", this.onHash);
    });
  }

  part(name) {
    return this.querySelector(`[data-log="${name}"]`);
  }

  bind() {
    this.onPiece = (event) => this.hear(event.detail);
    this.onReconnect = () => { if (this.started) this.catchUp(); };
    this.onHash = () => this.goToHash();
    document.addEventListener("cloudwiki:log", this.onPiece);
    document.addEventListener("cloudwiki:reconnected", this.onReconnect);
    addEventListener("hashchange", this.onHash);
    this.lines.addEventListener("scroll", () => this.scrolled(), { passive: true });
    for (const name of ["wheel", "touchmove", "keydown", "pointerdown", "pointermove"]) {
      this.lines.addEventListener(name, () => { this.touched = performance.now(); }, { passive: true });
    }
    this.part("follow").addEventListener("click", () => this.follow());
  }

  // Reading

  async start() {
    if (this.started) return;
    this.started = true;
    this.visible.disconnect();
    const wanted = this.hashLine();
    const from = wanted ? wanted - PAGE / 2 : Number(this.dataset.total) - PAGE + 1;
    await this.fetch(Math.max(1, from), PAGE);
    // The page is older than the log: what was its end no longer is.
    while (this.isConnected && this.store.total && !this.store.has(this.store.total)) {
      await this.fetch(Math.max(1, this.store.total - PAGE + 1), PAGE);
    }
    if (wanted) this.goToHash(); else this.toEnd();
  }

  /** Read `count` lines from `from`. Tries again until it succeeds; returns how many lines came. */
  async fetch(from, count) {
    const url = new URL(this.dataset.linesUrl, location.href);
    url.searchParams.set("from_line", Math.floor(from));
    url.searchParams.set("lines", count);
    for (;;) {
      try {
        const response = await fetch(url, { headers: { Accept: "application/json" } });
        if (!response.ok) throw new Error(response.status);
        return this.take(await response.json());
      } catch {
        if (!this.isConnected) return 0;
        this.note(word("log-failed", { seconds: RETRY }));
        await new Promise((resume) => setTimeout(resume, RETRY * 1000));
      }
    }
  }

  take(answer) {
    this.note("");
    this.ready = true;
    const before = this.store.total;
    const taken = this.store.fill(answer);
    const numbers = answer.lines.map((line) => line.n);
    this.view.extend();
    if (numbers.length) this.view.changed(numbers[0], numbers.at(-1));
    this.drain();
    this.grown(before);
    return taken;
  }

  /** Lines `from` to `to` are wanted on screen. */
  read(from, to) {
    const page = Math.floor((from - 1) / PAGE);
    if (this.asked.has(page)) return;
    this.asked.add(page);
    this.fetch(page * PAGE + 1, PAGE).finally(() => this.asked.delete(page));
    const next = Math.floor((to - 1) / PAGE);
    if (next !== page) this.read(next * PAGE + 1, to);
  }

  hear(piece) {
    if (piece.attempt !== this.attempt || !this.started) return;
    const before = this.store.total;
    if (!this.ready || this.store.add(piece) === "gap") {
      this.waiting.push(piece);
      if (this.ready) this.catchUp();
    } else if (this.store.total >= before) {
      this.view.changed(Math.max(1, before), this.store.total);
      this.grown(before);
    }
  }

  /** Take the pieces that waited for the lines before them. */
  drain() {
    const before = this.store.total;
    this.waiting.sort((one, other) => one.offset - other.offset);
    this.waiting = this.waiting.filter((piece) => this.store.add(piece) === "gap");
    if (this.store.total) this.view.changed(Math.max(1, before), this.store.total);
  }

  /** Read what came since the last byte that we have. */
  async catchUp() {
    if (this.catching) return;
    this.catching = true;
    try {
      let next = Math.max(1, this.store.total);
      let taken;
      do {
        taken = await this.fetch(next, PAGE);
        next += taken;
      } while (taken && next <= this.store.total);
    } finally {
      this.catching = false;
    }
    if (this.waiting.length && this.isConnected) setTimeout(() => this.catchUp(), 500);
  }

  grown(before) {
    const more = this.store.total - before;
    this.part("total").textContent = word("lines", { count: this.store.total.toLocaleString() });
    if (more > 0) this.search.grown(before + 1);
    if (this.following) this.soonToEnd();
    else if (before > 0 && more > 0) { this.unseen += more; this.showPill(); }
  }

  // Following

  scrolled() {
    const top = this.lines.scrollTop;
    const up = top < (this.lastTop ?? 0);
    this.lastTop = top;
    if (performance.now() - this.touched > HAND) return; // the layout moved it, not the reader
    this.touched = performance.now();
    // Measured from the end that was last followed: lines that came since did not move the reader.
    if (up && this.following && this.endTop - top > NEAR) this.pause();
    else if (!up && !this.following && this.view.distance <= NEAR) this.follow();
  }

  soonToEnd() {
    if (this.ending) return;
    this.ending = requestAnimationFrame(() => {
      this.ending = 0;
      if (this.following) this.toEnd();
    });
  }

  toEnd() {
    this.view.toBottom();
    this.lastTop = this.endTop = this.lines.scrollTop;
  }

  pause() {
    this.following = false;
    this.showPill();
  }

  follow() {
    this.following = true;
    this.unseen = 0;
    this.showPill();
    this.toEnd();
  }

  showPill() {
    this.part("follow").hidden = this.following || (this.store.complete && this.unseen === 0);
    this.part("pill").textContent = this.unseen ? word("new-lines", { count: this.unseen.toLocaleString() }) : word("follow");
  }

  // Permalinks

  hashLine() {
    const match = /^#step-(.+)-line-(\d+)$/.exec(decodeURIComponent(location.hash));
    return match && match[1] === this.dataset.step ? Number(match[2]) : null;
  }

  async goToHash() {
    const number = this.hashLine();
    this.view.target = number ?? undefined;
    if (!number) return;
    keepOpen(this.closest("details"));
    if (!this.started) { this.start(); return; }
    this.pause();
    if (!this.store.has(number)) await this.fetch(Math.max(1, number - PAGE / 2), PAGE);
    this.showLine(number);
    this.scrollIntoView({ block: "nearest" });
  }

  /** Mark line `number` and bring it into view. */
  showLine(number) {
    this.pause();
    this.view.target = number;
    this.view.show(number);
    this.lastTop = this.lines.scrollTop;
    this.view.redraw();
  }

  toggleTimes() {
    this.switches.toggleTimes();
  }

  toggleWrap() {
    this.switches.toggleWrap();
  }

  /** The width of the lines changed. */
  settle() {
    this.view.remeasure();
    if (this.following) this.toEnd();
  }

  note(text) {
    const place = this.part("note");
    place.hidden = !text;
    place.textContent = text;
  }
}

customElements.define("log-pane", LogPane);

addEventListener("DOMContentLoaded", openTarget);
if (document.readyState !== "loading") openTarget();

// A link to a line of a step that is folded away opens the step; the pane then starts by itself.
function openTarget() {
  const match = /^#step-(.+?)(?:-line-\d+)?$/.exec(decodeURIComponent(location.hash));
  if (match) keepOpen(document.getElementById(`step-${match[1]}`)?.querySelector("details"));
}
