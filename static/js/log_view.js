// Draws the lines near the viewport and no others, so that 200,000 lines cost what a screenful does.
// The lines lie in blocks. The drawn ones are neighbours; all the others are two empty elements, one above and
// one below them, as high as their blocks are or are thought to be.
import { draw } from "./ansi.js";
import { word } from "./words.js";

export const BLOCK = 50;
const MARGIN = 600; // px drawn above and below what is seen

export class LogView {
  /** `need(from, to)` is called for lines that should be shown and were not read yet. */
  constructor(place, store, { step, zone, need }) {
    Object.assign(this, { place, store, step, need });
    this.heights = []; // px of every block, measured or estimated
    this.drawn = new Map(); // index of a block -> {block, rows: number of a line -> its row}
    this.needle = "";
    this.scheduled = false;
    this.format = clockFormat(zone);
    this.above = document.createElement("div");
    this.below = document.createElement("div");
    place.append(this.above, this.below);
    this.measureLine();
    place.addEventListener("scroll", () => this.schedule(), { passive: true });
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(place);
  }

  measureLine() {
    this.width = this.place.clientWidth;
    this.lineHeight = parseFloat(getComputedStyle(this.place).lineHeight) || 20;
  }

  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => { this.scheduled = false; this.render(); });
  }

  /** How many lines block `index` holds. */
  count(index) {
    return Math.max(0, Math.min(BLOCK, this.store.total - index * BLOCK));
  }

  /** Make the number of blocks fit the number of lines. */
  extend() {
    const before = this.heights.length - 1;
    const wanted = Math.ceil(this.store.total / BLOCK);
    while (this.heights.length < wanted) this.heights.push(BLOCK * this.lineHeight);
    if (before >= 0) this.estimate(before);
    if (wanted > 0) this.estimate(wanted - 1);
    const last = this.drawn.get(before);
    if (last && last.rows.size < this.count(before)) this.fill(before);
    this.space();
  }

  estimate(index) {
    if (!this.drawn.has(index)) this.heights[index] = this.count(index) * this.lineHeight;
  }

  /** Height of the blocks from `from` up to but without `to`. */
  sum(from, to) {
    let height = 0;
    for (let index = from; index < to; index += 1) height += this.heights[index];
    return height;
  }

  space() {
    const indexes = [...this.drawn.keys()];
    const first = indexes.length ? Math.min(...indexes) : this.heights.length;
    const next = indexes.length ? Math.max(...indexes) + 1 : this.heights.length;
    this.above.style.blockSize = `${this.sum(0, first)}px`;
    this.below.style.blockSize = `${this.sum(next, this.heights.length)}px`;
  }

  /** Lines `from` to `to` were read or changed. */
  changed(from, to) {
    this.extend();
    for (const [index, { block, rows }] of this.drawn) {
      const first = index * BLOCK + 1;
      const end = Math.min(to, first + this.count(index) - 1);
      // Only the lines that changed are drawn again, so that selected text stays selected.
      for (let number = Math.max(first, from); number <= end; number += 1) {
        const row = this.row(number);
        const old = rows.get(number);
        if (old) old.replaceWith(row); else block.append(row);
        rows.set(number, row);
      }
    }
    this.schedule();
  }

  render() {
    if (!this.heights.length) return;
    const { from, to } = this.between(this.place.scrollTop - MARGIN, this.place.scrollTop + this.place.clientHeight + MARGIN);
    for (const [index, { block }] of this.drawn) {
      if (index >= from && index <= to) continue;
      block.remove();
      this.drawn.delete(index);
    }
    let after = this.below;
    for (let index = to; index >= from; index -= 1) {
      if (!this.drawn.has(index)) {
        const block = document.createElement("div");
        this.drawn.set(index, { block, rows: new Map() });
        after.before(block);
        this.fill(index);
      }
      after = this.drawn.get(index).block;
    }
    this.measure(from, to);
  }

  between(top, bottom) {
    const last = this.heights.length - 1;
    let from = 0;
    let height = this.heights[0];
    while (from < last && height < top) { from += 1; height += this.heights[from]; }
    let to = from;
    while (to < last && height < bottom) { to += 1; height += this.heights[to]; }
    return { from, to };
  }

  // A block that turns out higher than it was thought moves what is below it: what the reader looks at stays put.
  measure(from, to) {
    const top = this.place.scrollTop;
    let end = this.sum(0, from);
    let shift = 0;
    for (let index = from; index <= to; index += 1) {
      const height = this.drawn.get(index).block.getBoundingClientRect().height;
      end += this.heights[index];
      if (end <= top) shift += height - this.heights[index];
      this.heights[index] = height;
    }
    this.space();
    if (Math.abs(shift) >= 1) this.place.scrollTop = top + shift;
  }

  fill(index) {
    const { block, rows } = this.drawn.get(index);
    const first = index * BLOCK + 1;
    const last = first + this.count(index) - 1;
    let missing = false;
    rows.clear();
    for (let number = first; number <= last; number += 1) {
      missing ||= !this.store.has(number);
      rows.set(number, this.row(number));
    }
    block.replaceChildren(...rows.values());
    if (missing) this.need(first, last);
  }

  row(number) {
    const row = document.createElement("div");
    row.className = number === this.target ? "ln hit" : "ln";
    row.id = `step-${this.step}-line-${number}`;
    const link = document.createElement("a");
    link.href = `#${row.id}`;
    link.textContent = number;
    link.tabIndex = -1;
    link.setAttribute("aria-label", word("line", { number }));
    const time = document.createElement("time");
    const at = this.store.times[number - 1];
    if (at) { time.dateTime = at; time.textContent = this.format(at); }
    const code = document.createElement("code");
    const text = this.store.line(number);
    if (text === undefined) row.classList.add("wanted"); else draw(code, text, this.needle);
    row.append(link, time, code);
    return row;
  }

  /** Draw everything on screen anew: the needle or the target changed. */
  redraw() {
    for (const index of this.drawn.keys()) this.fill(index);
    this.schedule();
  }

  resized() {
    if (this.place.clientWidth === this.width) this.schedule(); else this.remeasure();
  }

  /** Forget measured heights: lines wrap differently now. */
  remeasure() {
    this.measureLine();
    for (let index = 0; index < this.heights.length; index += 1) this.heights[index] = this.count(index) * this.lineHeight;
    this.render();
  }

  /** Bring line `number` into the middle of the pane and draw it. */
  show(number) {
    const index = Math.floor((number - 1) / BLOCK);
    if (index < 0 || index >= this.heights.length) return;
    const half = this.place.clientHeight / 2;
    this.place.scrollTop = this.sum(0, index) + ((number - 1) % BLOCK) * this.lineHeight - half;
    this.render();
    const row = this.drawn.get(index)?.rows.get(number);
    if (!row) return;
    this.place.scrollTop = row.offsetTop - half + row.offsetHeight / 2;
    this.render();
  }

  toBottom() {
    this.place.scrollTop = this.place.scrollHeight;
    this.render();
    this.place.scrollTop = this.place.scrollHeight;
  }

  get distance() {
    return this.place.scrollHeight - this.place.scrollTop - this.place.clientHeight;
  }

  stop() {
    this.observer.disconnect();
  }
}

function clockFormat(zone) {
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" };
  let format;
  try { format = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone || undefined }); } catch { format = new Intl.DateTimeFormat("en-GB", options); }
  return (at) => format.format(new Date(at));
}
