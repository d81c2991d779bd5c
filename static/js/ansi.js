// A line of a log as runs of text with class names. Text goes in by textContent alone, never as markup.

const SGR = /\x1b\[([\d;:]*)m/g;
// Other control sequences (cursor, erase, OSC titles and links) say nothing on a page.
const OTHER = /\x1b(?:\][^\x07\x1b]*(?:\x07|\x1b\\)?|\[[\d;:?<=>!]*[ -/]*[@-ln-~]|[PX^_][^\x1b]*(?:\x1b\\)?|[()*+#][\dA-Za-z]|[=>78cDEHMNOZ])/g;
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]/g;
const COLOURS = ["k", "r", "g", "y", "b", "m", "c", "w"];

/** What a terminal would show of a line with carriage returns: the last thing written over it. */
export function collapse(text) {
  if (!text.includes("\r")) return text;
  const parts = text.split("\r");
  for (let i = parts.length - 1; i >= 0; i -= 1) if (parts[i] !== "") return parts[i];
  return "";
}

const PLAIN = { colour: "", paper: "", bold: false, dim: false, italic: false, underline: false, inverse: false, struck: false };
const ON = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "struck" };
const OFF = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["struck"] };

function apply(style, codes) {
  const list = (codes || "0").split(/[;:]/).map(Number);
  for (let i = 0; i < list.length; i += 1) {
    const code = list[i];
    const tens = Math.floor(code / 10);
    if (code === 0) Object.assign(style, PLAIN);
    else if (ON[code]) style[ON[code]] = true;
    else if (OFF[code]) for (const name of OFF[code]) style[name] = false;
    else if (code === 38 || code === 48) {
      const palette = list[i + 1] === 5 ? list[i + 2] : -1;
      style[code === 38 ? "colour" : "paper"] = palette >= 0 && palette < 16 ? COLOURS[palette % 8] : "";
      i += list[i + 1] === 2 ? 4 : 2;
    } else if (code === 39) style.colour = "";
    else if (code === 49) style.paper = "";
    else if ((tens === 3 || tens === 9) && code % 10 < 8) style.colour = COLOURS[code % 10];
    else if ((tens === 4 || tens === 10) && code % 10 < 8) style.paper = COLOURS[code % 10];
  }
}

function classes(style) {
  const names = [];
  if (style.colour) names.push(`a-${style.colour}`);
  if (style.dim) names.push("a-d");
  if (style.bold) names.push("a-B");
  if (style.italic) names.push("a-i");
  if (style.underline) names.push("a-u");
  if (style.struck) names.push("a-s");
  if (style.paper) names.push(`a-on-${style.paper}`);
  if (style.inverse) names.push("a-v");
  return names.join(" ");
}

function clean(text) {
  return text.replace(OTHER, "").replace(CONTROL, "");
}

/** Split one stored line into runs: [{text, css}]. Colours begin anew on every line. */
export function runs(line) {
  const text = collapse(line);
  if (!text.includes("\x1b")) return [{ text: clean(text), css: "" }];
  const style = {};
  apply(style, "0");
  const found = [];
  let from = 0;
  const push = (piece) => {
    const visible = clean(piece).replaceAll("\x1b", "");
    if (visible) found.push({ text: visible, css: classes(style) });
  };
  for (const match of text.matchAll(SGR)) {
    push(text.slice(from, match.index));
    apply(style, match[1]);
    from = match.index + match[0].length;
  }
  push(text.slice(from));
  return found;
}

/** The visible text of a stored line, without colours. */
export function plain(line) {
  const text = collapse(line);
  if (!text.includes("\x1b")) return clean(text);
  return clean(text.replace(SGR, "")).replaceAll("\x1b", "");
}

/** Fill `target` with a line; `needle` (lower case) is marked wherever it occurs. */
export function draw(target, line, needle = "") {
  const pieces = runs(line);
  const marks = needle ? occurrences(pieces.map((run) => run.text).join(""), needle) : [];
  let at = 0;
  for (const run of pieces) {
    for (const part of cut(run.text, at, marks, needle.length)) {
      let node = document.createTextNode(part.text);
      if (part.marked) node = wrap("mark", "", node);
      if (run.css) node = wrap("span", run.css, node);
      target.append(node);
    }
    at += run.text.length;
  }
}

function wrap(name, css, child) {
  const element = document.createElement(name);
  if (css) element.className = css;
  element.append(child);
  return element;
}

function occurrences(text, needle) {
  const lower = text.toLowerCase();
  const found = [];
  for (let i = lower.indexOf(needle); i >= 0; i = lower.indexOf(needle, i + needle.length)) found.push(i);
  return found;
}

// A run may hold the middle, the start or the end of a mark.
function* cut(text, at, marks, length) {
  let from = 0;
  for (const mark of marks) {
    const start = Math.max(0, mark - at);
    const end = Math.min(text.length, mark + length - at);
    if (end <= from || start >= text.length) continue;
    if (start > from) yield { text: text.slice(from, start), marked: false };
    yield { text: text.slice(Math.max(start, from), end), marked: true };
    from = end;
  }
  if (from < text.length) yield { text: text.slice(from), marked: false };
}
