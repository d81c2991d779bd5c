// The public page without it is whole. With it, the page brings itself up to date and says how far planned work is off.
const EVERY = 30_000; // ms; probes ask as often while nothing happens
const language = document.documentElement.lang;
const steps = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
let etag = null;

function sayUntil() {
  const words = new Intl.RelativeTimeFormat(language, { numeric: "always" });
  for (const time of document.querySelectorAll("dd[data-until] time")) {
    const seconds = Math.round((new Date(time.dateTime) - Date.now()) / 1000);
    const shown = seconds > 0;
    for (const part of [time.parentElement, time.parentElement.previousElementSibling]) part.hidden = !shown;
    if (!shown) continue;
    const [unit, size] = steps.find(([, length]) => seconds >= length) ?? steps.at(-1);
    const said = words.format(Math.floor(seconds / size), unit);
    if (time.textContent !== said) time.textContent = said;
  }
}

async function renew() {
  if (document.hidden) return;
  const main = document.querySelector("main");
  if (main.contains(document.activeElement)) return; // nobody loses their place
  try {
    const answer = await fetch(location.href, { headers: etag ? { "If-None-Match": etag } : {}, cache: "no-cache" });
    if (!answer.ok) return;
    const known = etag === answer.headers.get("ETag");
    etag = answer.headers.get("ETag");
    if (known) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const open = [...main.querySelectorAll("details")].map((one) => one.open);
    main.replaceChildren(...fresh.querySelector("main").childNodes);
    main.querySelectorAll("details").forEach((one, place) => { one.open = open[place] ?? false; });
    document.title = fresh.title;
    sayUntil();
  } catch { /* the network is away: what is shown stays, with the time at which it was looked at */ }
}

sayUntil();
setInterval(sayUntil, 1000);
setInterval(renew, EVERY);
