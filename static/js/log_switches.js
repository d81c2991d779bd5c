// How a log is shown: times, wrapping, full screen. The first two are kept for the next log.

const kept = (key, otherwise) => {
  try { return JSON.parse(localStorage.getItem(key)) ?? otherwise; } catch { return otherwise; }
};
const keep = (key, value) => {
  try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* private mode: it lasts for this page */ }
};

export class LogSwitches {
  constructor(pane) {
    this.pane = pane;
    pane.part("times").addEventListener("click", () => this.toggleTimes());
    pane.part("wrap").addEventListener("click", () => this.toggleWrap());
    pane.part("full")?.addEventListener("click", () => this.toggleFull());
    pane.addEventListener("fullscreenchange", () => this.showFull());
    this.showTimes(kept("log-times", true));
    this.showWrap(kept("log-wrap", false));
  }

  press(name, on) {
    this.pane.part(name)?.setAttribute("aria-pressed", String(on));
  }

  showTimes(on) {
    this.press("times", on);
    this.pane.lines.classList.toggle("no-times", !on);
  }

  toggleTimes() {
    const on = this.pane.lines.classList.contains("no-times");
    keep("log-times", on);
    this.showTimes(on);
    this.pane.settle();
  }

  showWrap(on) {
    this.press("wrap", on);
    this.pane.lines.classList.toggle("wrap", on);
  }

  toggleWrap() {
    const on = !this.pane.lines.classList.contains("wrap");
    keep("log-wrap", on);
    this.showWrap(on);
    this.pane.settle();
  }

  toggleFull() {
    if (document.fullscreenElement === this.pane) document.exitFullscreen();
    else this.pane.requestFullscreen?.().catch(() => {});
  }

  showFull() {
    this.press("full", document.fullscreenElement === this.pane);
    this.pane.settle();
  }
}
