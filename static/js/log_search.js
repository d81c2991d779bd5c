// Finding in a log: counts in slices so that typing never waits, reads what was not read yet.
import { word } from "./words.js";

const SLICE = 10_000; // lines looked through before the browser may draw
const PAGE = 5000; // lines asked for at once when the whole log is wanted

const pause = () => new Promise((resume) => setTimeout(resume));

export class LogSearch {
  constructor(pane) {
    this.pane = pane;
    this.needle = "";
    this.found = [];
    this.at = -1;
    this.turn = 0; // a newer needle makes older work stop
    const input = pane.part("find");
    input.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.look(input.value), 120);
    });
    input.addEventListener("keydown", (event) => this.key(event));
    pane.part("next").addEventListener("click", () => this.step(1));
    pane.part("previous").addEventListener("click", () => this.step(-1));
  }

  key(event) {
    if (event.isComposing) return;
    if (event.key === "Enter") {
      event.preventDefault();
      this.step(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape") {
      event.target.value = "";
      this.look("");
      this.pane.lines.focus();
    }
  }

  /** Find `text` in the whole log, ignoring case. */
  async look(text) {
    const { store, view } = this.pane;
    const turn = ++this.turn;
    this.needle = text.trim() === "" ? "" : text.toLowerCase();
    this.found = [];
    this.at = -1;
    view.needle = this.needle;
    view.redraw();
    if (!this.needle) { this.show(); return; }
    for (let from = 1; from <= store.total; from += SLICE) {
      const to = Math.min(store.total, from + SLICE - 1);
      if (!(await this.readAll(from, to, turn))) return;
      this.found.push(...store.search(this.needle, from, to));
      this.show();
      await pause();
      if (turn !== this.turn) return;
    }
    if (this.at < 0 && this.found.length) this.step(1);
  }

  async readAll(from, to, turn) {
    for (let number = from; number <= to; number += 1) {
      if (this.pane.store.has(number)) continue;
      this.pane.part("matches").textContent = word("loading");
      const taken = await this.pane.fetch(number, PAGE);
      if (turn !== this.turn || !taken || !this.pane.store.has(number)) return false;
    }
    return true;
  }

  /** Lines from `number` on are new. The line before may have grown too. */
  grown(number) {
    if (!this.needle) return;
    const from = Math.max(1, number - 1);
    while (this.found.at(-1) >= from) this.found.pop();
    this.found.push(...this.pane.store.search(this.needle, from, this.pane.store.total));
    this.show();
  }

  step(way) {
    if (!this.found.length) return;
    if (this.at < 0) this.at = this.nearest(); else this.at = (this.at + way + this.found.length) % this.found.length;
    this.show();
    this.pane.showLine(this.found[this.at]);
  }

  // The first match is the one at or after what is on screen.
  nearest() {
    const rows = this.pane.lines.querySelectorAll(".ln");
    const top = this.pane.lines.getBoundingClientRect().top;
    const seen = [...rows].find((row) => row.getBoundingClientRect().bottom > top);
    const number = Number(seen?.firstChild.textContent ?? 1);
    const place = this.found.findIndex((line) => line >= number);
    return place < 0 ? 0 : place;
  }

  show() {
    const { pane } = this;
    const count = this.found.length.toLocaleString();
    const text = !this.needle ? "" : !this.found.length ? word("no-match") : word("match", { at: this.at + 1, count });
    pane.part("matches").textContent = text;
    pane.part("next").hidden = pane.part("previous").hidden = !this.found.length;
  }
}
