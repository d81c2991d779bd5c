// The log of one GPU worker: lines as they come, no more than fit into a page that stays quick.
import { draw } from "./ansi.js";
import { Stream } from "./sse.js";
import { word } from "./words.js";

const MOST = 5000; // lines kept on the page
const NEAR = 48; // px from the end within which new lines are followed

class WorkerLog extends HTMLElement {
  connectedCallback() {
    this.lines = this.querySelector("[role=log]");
    this.note = this.querySelector("[data-log=note]");
    this.button = this.querySelector("[data-log=follow]");
    this.following = true;
    this.unseen = 0;
    this.problem = ""; // what the provider said last; stays until it answers again
    this.lines.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.button.addEventListener("click", () => this.follow());
    this.stream = new Stream(this.dataset.url, "", {
      event: (event) => this.take(event),
      opened: () => this.say(this.problem),
      lost: () => this.say(this.problem || word("lost")),
      refused: () => this.say(word("worker-log-refused")),
    });
    this.stream.open();
  }

  disconnectedCallback() {
    this.stream.close();
  }

  take({ name, data }) {
    if (name === "problem") return this.say(this.problem = JSON.parse(data).text);
    if (name === "done") return this.stream.close();
    if (name !== "line") return;
    if (this.problem) this.say(this.problem = "");
    this.add(JSON.parse(data));
  }

  add({ text, source }) {
    const line = document.createElement("div");
    line.className = source === "system" ? "ln system" : "ln";
    const code = document.createElement("code");
    draw(code, text);
    line.append(code);
    this.lines.append(line);
    while (this.lines.childElementCount > MOST) this.lines.firstElementChild.remove();
    if (this.following) this.lines.scrollTop = this.lines.scrollHeight;
    else this.unseen += 1;
    this.offer();
  }

  say(text) {
    this.note.textContent = text;
    this.note.hidden = !text;
  }

  scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.lines;
    this.following = scrollHeight - scrollTop - clientHeight < NEAR;
    if (this.following) this.unseen = 0;
    this.offer();
  }

  follow() {
    this.following = true;
    this.unseen = 0;
    this.lines.scrollTop = this.lines.scrollHeight;
    this.offer();
  }

  offer() {
    this.button.hidden = this.following;
    const label = this.unseen ? word("new-lines", { count: this.unseen }) : word("follow");
    this.button.querySelector("[data-log=pill]").textContent = label;
  }
}

customElements.define("worker-log", WorkerLog);
