// A text area with numbered lines; the server checks the text as one types, and its errors stand beside the line.
import { word } from "./words.js";

const WAIT = 350; // ms after the last key

class YamlEditor extends HTMLElement {
  connectedCallback() {
    this.area = this.querySelector("textarea");
    this.gutter = this.querySelector(".gutter");
    this.list = this.querySelector('[data-editor="problems"]');
    this.status = this.querySelector('[data-editor="status"]');
    this.wrong = new Set([...this.list.querySelectorAll("li")].map((item) => Number(item.dataset.line)));
    this.area.addEventListener("input", (event) => {
      this.number();
      if (!event.isComposing) this.soon();
    });
    this.area.addEventListener("compositionend", () => this.soon());
    this.area.addEventListener("scroll", () => { this.gutter.scrollTop = this.area.scrollTop; }, { passive: true });
    this.area.addEventListener("keydown", (event) => this.key(event));
    this.querySelector('[data-editor="file"]').addEventListener("change", (event) => this.open(event.target));
    this.list.addEventListener("click", (event) => this.goTo(event.target.closest("button")));
    this.number();
  }

  // A file takes the place of the text and is checked like it; nothing is saved yet.
  async open(field) {
    if (!field.files.length) return;
    this.area.value = (await field.files[0].text()).replaceAll("\r\n", "\n");
    field.value = "";
    this.area.dispatchEvent(new Event("input"));
    this.area.focus();
  }

  number() {
    const count = this.area.value.split("\n").length;
    while (this.gutter.childElementCount < count) this.gutter.append(document.createElement("span"));
    while (this.gutter.childElementCount > count) this.gutter.lastElementChild.remove();
    [...this.gutter.children].forEach((line, place) => {
      const text = String(place + 1);
      if (line.textContent !== text) line.textContent = text;
      line.classList.toggle("bad", this.wrong.has(place + 1));
    });
    this.gutter.scrollTop = this.area.scrollTop;
  }

  // Tab writes two spaces; Escape first lets Tab leave the field.
  key(event) {
    if (event.isComposing) return;
    if (event.key === "Escape") { this.leaving = true; return; }
    if (event.key !== "Tab" || event.shiftKey || this.leaving) { if (event.key !== "Shift") this.leaving = false; return; }
    event.preventDefault();
    this.area.setRangeText("  ", this.area.selectionStart, this.area.selectionEnd, "end");
    this.area.dispatchEvent(new Event("input"));
  }

  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), WAIT);
  }

  async check() {
    this.request?.abort();
    this.request = new AbortController();
    const body = new URLSearchParams({ [this.area.name]: this.area.value });
    const headers = { "X-CSRFToken": this.token(), Accept: "application/json" };
    try {
      const response = await fetch(this.dataset.checkUrl, { method: "POST", body, headers, signal: this.request.signal });
      if (!response.ok) throw new Error(response.status);
      this.show((await response.json()).errors);
    } catch (error) {
      if (error.name !== "AbortError") this.status.textContent = word("offline");
    }
  }

  token() {
    return JSON.parse(document.body.getAttribute("hx-headers:inherited") ?? "{}")["X-CSRFToken"] ?? "";
  }

  show(errors) {
    this.wrong = new Set(errors.map((error) => error.line));
    this.status.textContent = errors.length ? word("editor-errors", { count: errors.length }) : word("editor-ok");
    this.list.replaceChildren(...errors.map((error) => this.item(error)));
    this.list.hidden = errors.length === 0;
    this.number();
  }

  item(error) {
    const item = document.createElement("li");
    item.dataset.line = error.line;
    const button = document.createElement("button");
    button.type = "button";
    Object.assign(button.dataset, { line: error.line, column: error.column });
    button.textContent = word("editor-at", { line: error.line, column: error.column });
    const text = document.createElement("span");
    text.textContent = error.message;
    if (error.mend) {
      const mend = document.createElement("small");
      mend.textContent = error.mend;
      text.append(document.createElement("br"), mend);
    }
    item.append(this.querySelector('[data-editor="mark"]').content.cloneNode(true), button, text);
    return item;
  }

  goTo(button) {
    if (!button) return;
    const lines = this.area.value.split("\n");
    const line = Math.min(lines.length, Number(button.dataset.line));
    const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    const at = start + Math.max(0, Math.min(lines[line - 1].length, Number(button.dataset.column) - 1));
    this.area.focus();
    this.area.setSelectionRange(at, at);
    const height = this.area.scrollHeight / lines.length;
    this.area.scrollTop = Math.max(0, (line - 5) * height);
  }
}

customElements.define("yaml-editor", YamlEditor);
