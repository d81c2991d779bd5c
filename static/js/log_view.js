// Draws the lines near the viewport and no others, so that 200,000 lines cost what a screenful does.
// The lines lie in blocks; a block out of sight is one empty element of the right height.
import { draw } from "./ansi.js";
import { word } from "./words.js";

export const BLOCK = 50;
const MARGIN = 600; // px drawn above and below what is seen

export class LogView {
  /** `need(from, to)` is called for lines that should be shown and were not read yet. */
  constructor(place, store, { step, zone, need }) {
    Object.assign(this, { place, store, step, need });
    this.blocks = [];
    this.heights = [];
    this.drawn = new Map();
    this.needle = "";
    this.lineHeight = parseFloat(getComputedStyle(place).lineHeight) || 20;
    this.scheduled = false;
    this.format = clockFormat(zone);
    this.sheet = document.createElement("div");
    this.sheet.className = "sheet";
    place.append(this.sheet);
    place.addEventListener("scroll", () => this.schedule(), { passive: true });
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(place);
  }

  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => { this.scheduled = false; this.render(); });
  }

  /** Make the number of blocks fit the number of lines. */
  extend() {
    const before = this.blocks.length - 1;
    const wanted = Math.ceil(this.store.total / BLOCK);
    const fragment = document.createDocumentFragment();
    while (this.blocks.length < wanted) {
      const block = document.createElement("div");
      block.className = "block";
      this.blocks.push(block);
      this.heights.push(0);
      this.size(this.blocks.length - 1);
      fragment.append(block);
    }
    this.sheet.append(fragment);
    if (wanted > 0) this.size(wanted - 1);
    if (before < 0) return;
    const rows = this.drawn.get(before);
    if (rows && rows.size < this.count(before)) this.fill(before); else this.size(before);
  }

  count(index) {
    return Math.max(0, Math.min(BLOCK, this.store.total - index * BLOCK));
  }

  size(index) {
    if (this.drawn.has(index)) return;
    const height = this.heights[index] || this.count(index) * this.lineHeight;
    this.blocks[index].style.blockSize = `${height}px`;
  }

  /** Lines `from` to `to` were read or changed. */
  changed(from, to) {
    this.extend();
    for (let index = Math.floor((from - 1) / BLOCK); index <= Math.floor((to - 1) / BLOCK); index += 1) {
      const drawn = this.drawn.get(index);
      if (!drawn) { this.heights[index] = 0; this.size(index); continue; }
      this.refresh(index, drawn, from, to);
    }
    this.schedule();
  }

  // Only the lines that changed are drawn again, so that selected text stays selected.
  refresh(index, drawn, from, to) {
    const first = index * BLOCK + 1;
    for (let number = Math.max(first, from); number < first + this.count(index) && number <= to; number += 1) {
      const row = this.row(number);
      const old = drawn.get(number);
      if (old) old.replaceWith(row); else this.blocks[index].append(row);
      drawn.set(number, row);
    }
  }

  render() {
    const top = this.place.scrollTop - MARGIN;
    const bottom = this.place.scrollTop + this.place.clientHeight + MARGIN;
    const seen = this.between(top, bottom);
    for (const index of this.drawn.keys()) if (index < seen.from || index > seen.to) this.clear(index);
    for (let index = seen.from; index <= seen.to; index += 1) if (!this.drawn.has(index)) this.fill(index);
  }

  // Heights above are known or estimated; offsetTop asks the layout, which is right for both.
  between(top, bottom) {
    let low = 0;
    let high = this.blocks.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      const block = this.blocks[middle];
      if (block.offsetTop + block.offsetHeight < top) low = middle + 1; else high = middle;
    }
    let to = low;
    while (to + 1 < this.blocks.length && this.blocks[to + 1].offsetTop <= bottom) to += 1;
    return { from: low, to: Math.min(to, this.blocks.length - 1) };
  }

  fill(index) {
    const block = this.blocks[index];
    const first = index * BLOCK + 1;
    const last = first + this.count(index) - 1;
    const rows = new Map();
    let missing = false;
    for (let number = first; number <= last; number += 1) {
      missing ||= !this.store.has(number);
      rows.set(number, this.row(number));
    }
    block.replaceChildren(...rows.values());
    block.style.blockSize = "";
    this.drawn.set(index, rows);
    if (missing) this.need(first, last);
  }

  clear(index) {
    const block = this.blocks[index];
    const holds = block.contains(document.activeElement) || block.contains(getSelection()?.anchorNode ?? null);
    if (holds && !getSelection()?.isCollapsed) return;
    this.heights[index] = block.offsetHeight;
    block.replaceChildren();
    this.drawn.delete(index);
    this.size(index);
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

  /** Draw everything on screen anew: the needle, the target or the width changed. */
  redraw() {
    for (const index of [...this.drawn.keys()]) this.fill(index);
    this.schedule();
  }

  resized() {
    const width = this.place.clientWidth;
    if (width === this.width) { this.schedule(); return; }
    this.width = width;
    this.lineHeight = parseFloat(getComputedStyle(this.place).lineHeight) || this.lineHeight;
    this.remeasure();
  }

  /** Forget measured heights: lines wrap differently now. */
  remeasure() {
    this.heights.fill(0);
    for (let index = 0; index < this.blocks.length; index += 1) this.size(index);
    this.schedule();
  }

  /** Bring line `number` into the middle of the pane and draw it. */
  show(number) {
    const index = Math.floor((number - 1) / BLOCK);
    if (index < 0 || index >= this.blocks.length) return;
    for (let turn = 0; turn < 2; turn += 1) {
      if (!this.drawn.has(index)) this.fill(index);
      const row = this.drawn.get(index).get(number);
      if (!row) return;
      const middle = row.offsetTop - (this.place.clientHeight - row.offsetHeight) / 2;
      this.place.scrollTop = Math.max(0, middle);
      this.render();
    }
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
