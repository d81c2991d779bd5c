// htmx glue: what the reader opened stays open, failed requests say so, dialogs, double clicks.
import { word } from "./words.js";

const htmx = window.htmx;

// A person's own open or close of a step wins over what the server renders later.
document.addEventListener("click", (event) => {
  const details = event.target.closest?.("summary")?.parentElement;
  if (details?.id) details.dataset.touched = "";
}, true);

/** Open a <details> on the reader's behalf, so that a refresh doesn't close it again. */
export function keepOpen(details) {
  if (!details) return;
  details.open = true;
  details.dataset.touched = "";
}

htmx?.registerExtension("keep-open", {
  htmx_before_morph_attr(element, detail) {
    const touched = element instanceof HTMLDetailsElement && "touched" in element.dataset;
    return !(touched && (detail.attrName === "open" || detail.attrName === "data-touched"));
  },
});

function say(text) {
  const place = document.getElementById("messages");
  if (!place) return;
  const note = document.createElement("div");
  note.className = "note s-failed";
  note.setAttribute("role", "alert");
  const line = document.createElement("p");
  line.textContent = text;
  note.append(line);
  place.replaceChildren(note);
}

/** Leave for the sign-in page, coming back here afterwards. */
export function goToLogin() {
  const login = document.body.dataset.loginUrl ?? "/login/";
  location.assign(`${login}?next=${encodeURIComponent(location.pathname + location.search + location.hash)}`);
}

/** What the page of a refusal says. */
function refusal(page) {
  const found = new DOMParser().parseFromString(page ?? "", "text/html").querySelector("[role=alert]");
  return found?.textContent.replace(/\s+/g, " ").trim();
}

document.addEventListener("htmx:after:request", (event) => {
  const status = event.detail?.ctx?.response?.raw?.status;
  if (status === 401) goToLogin();
  else if (status === 409) say(refusal(event.detail.ctx.text) || word("request-failed", { status }));
  else if (status === 403 || status >= 500) say(word("request-failed", { status }));
});
document.addEventListener("htmx:error", (event) => {
  if (event.detail?.ctx && !event.detail.ctx.response) say(word("offline"));
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest?.("[data-dialog]");
  if (opener) document.getElementById(opener.dataset.dialog)?.showModal();
  if (event.target.closest?.("[data-dialog-close]")) event.target.closest("dialog")?.close();
  const all = event.target.closest?.("[data-open-all]");
  if (all) openAll(document.getElementById(all.dataset.openAll));
});

function openAll(place) {
  const details = [...(place?.querySelectorAll("details[id]") ?? [])];
  const open = details.some((one) => !one.open);
  for (const one of details) {
    one.open = open;
    one.dataset.touched = "";
  }
}

// One click is one request: the server refuses a second one anyway, this keeps it from being sent.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!("once" in form.dataset)) return;
  if ("sent" in form.dataset) event.preventDefault();
  form.dataset.sent = "";
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// The word typed to confirm, checked while typing; the server checks it again.
document.addEventListener("input", (event) => {
  const expected = event.target.dataset?.expected;
  if (expected === undefined) return;
  const typed = event.target.value.normalize("NFC").trim();
  event.target.setCustomValidity(typed === expected.normalize("NFC") ? "" : expected);
});
