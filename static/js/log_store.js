// The lines of one attempt: read in pages, grown by the live stream, each byte counted once.
import { plain } from "./ansi.js";

/** Bytes of a base64 text. */
export function bytes(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) out[i] = text.charCodeAt(i);
  return out;
}

const NEWLINE = 10;

function newlines(raw) {
  let count = 0;
  for (let at = raw.indexOf(NEWLINE); at >= 0; at = raw.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}

/**
 * Lines by number (the first is 1), sparse until they are read.
 *
 * `add` takes a piece of the live stream; one that begins before `size` is cut or dropped, one that
 * begins after it is a gap: it is refused, and the caller reads what is missing.
 */
export class LogStore {
  constructor() {
    this.text = [];
    this.times = [];
    this.total = 0;
    this.size = 0;
    this.complete = false;
    this.decoder = new TextDecoder("utf-8");
    this.open = false; // the last line has no newline yet
  }

  /** Text of line `number` as it was stored, or undefined when it was not read yet. */
  line(number) {
    return this.text[number - 1];
  }

  has(number) {
    return this.text[number - 1] !== undefined;
  }

  /** Take the answer of the lines URL; returns the number of lines taken. */
  fill(answer) {
    const before = this.total;
    const newer = answer.size > this.size || before === 0;
    if (newer) {
      this.total = answer.total_lines;
      this.size = answer.size;
    }
    for (const { n, at, data } of answer.lines) {
      const last = n === answer.total_lines;
      // The stream has brought us further than this answer: its last line may be a part of ours.
      if (last && answer.size < this.size) continue;
      if (this.has(n) && !(newer && n >= before)) continue;
      this.keep(n, at, bytes(data), last);
    }
    this.complete = this.complete || answer.complete;
    return answer.lines.length;
  }

  keep(number, at, raw, last) {
    const ended = raw.at(-1) === NEWLINE;
    const body = ended ? raw.subarray(0, -1) : raw;
    const decoder = new TextDecoder("utf-8");
    this.text[number - 1] = decoder.decode(body, { stream: last && !ended });
    this.times[number - 1] = at;
    if (!last) return;
    this.decoder = ended ? new TextDecoder("utf-8") : decoder;
    this.open = !ended;
  }

  /** Take a live piece {offset, line, at, data}. Returns "added", "known" or "gap". */
  add(piece) {
    let raw = piece.bytes ?? bytes(piece.data);
    const end = piece.offset + raw.length;
    if (end <= this.size) return "known";
    if (piece.offset > this.size) return "gap";
    if (this.total > 0 && !this.has(this.total)) return "gap";
    // Stored lines come without their newline: whether ours has ended, the piece's line number tells.
    const known = raw.subarray(0, this.size - piece.offset);
    this.open = piece.line + newlines(known) === this.total;
    raw = raw.subarray(known.length);
    this.size = end;
    this.append(raw, piece.at);
    return "added";
  }

  append(raw, at) {
    const parts = this.decoder.decode(raw, { stream: true }).split("\n");
    const last = parts.pop();
    parts.forEach((part, place) => this.put(part, at, place === 0 && this.open));
    const continues = parts.length === 0 && this.open;
    if (parts.length) this.open = false;
    if (last !== "" || continues) {
      this.put(last, at, continues);
      this.open = true;
    }
  }

  put(part, at, continues) {
    if (continues && this.total > 0) {
      this.text[this.total - 1] = overwrite((this.text[this.total - 1] ?? "") + part);
      return;
    }
    this.total += 1;
    this.text[this.total - 1] = part;
    this.times[this.total - 1] = at;
  }

  /** Numbers of the read lines from `from` to `to` whose visible text holds `needle` (lower case). */
  search(needle, from, to) {
    const found = [];
    for (let number = from; number <= to; number += 1) {
      const text = this.text[number - 1];
      if (text !== undefined && plain(text).toLowerCase().includes(needle)) found.push(number);
    }
    return found;
  }
}

// A progress bar writes over its line thousands of times: keep what shows, not every state it went through.
function overwrite(text) {
  const cut = text.lastIndexOf("\r", text.length - 2);
  return cut > 4096 ? text.slice(cut) : text;
}
