// Keys of the site. They rest while someone types, and while a Korean syllable is being composed.

const current = () => {
  const focused = document.activeElement?.closest?.("log-pane");
  const open = [...document.querySelectorAll("log-pane")].filter((pane) => pane.offsetParent);
  return focused ?? open.find((pane) => pane.closest(".s-running")) ?? open.at(-1);
};

function toStep(way) {
  const steps = [...document.querySelectorAll(".step summary")];
  if (!steps.length) return;
  const here = steps.indexOf(document.activeElement?.closest?.(".step")?.querySelector("summary"));
  const fallback = steps.findIndex((summary) => summary.closest(".s-running, .s-waiting, .s-failed, .s-unknown"));
  const next = here < 0 ? Math.max(0, fallback) : Math.min(steps.length - 1, Math.max(0, here + way));
  steps[next].focus();
  steps[next].scrollIntoView({ block: "nearest" });
}

// Where no log is, `/` goes to the search of everything; on a narrow screen that lies in the menu.
function findBox() {
  const shown = () => [...document.querySelectorAll("[role=search] input")].find((box) => box.checkVisibility());
  const menu = document.querySelector("details.menu");
  if (!shown() && menu) menu.open = true;
  return shown();
}

// Matched on the place of the key, so that they work with a Korean layout too.
const ACTS = {
  KeyJ: () => toStep(1),
  KeyK: () => toStep(-1),
  KeyF: () => current()?.follow(),
  KeyT: () => current()?.toggleTimes(),
  KeyW: () => current()?.toggleWrap(),
  Slash: () => (current() ? current().part("find") : findBox())?.focus(),
};

function typing(target) {
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "?") {
    event.preventDefault();
    document.getElementById("keys")?.showModal();
    return;
  }
  const act = event.shiftKey ? undefined : ACTS[event.code];
  if (!act) return;
  event.preventDefault();
  act();
});

// The menu of a narrow screen closes as menus do.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
document.addEventListener("click", (event) => {
  const menu = document.querySelector("details.menu[open]");
  if (menu && !menu.contains(event.target)) menu.open = false;
});
