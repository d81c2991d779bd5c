// Sentences in the reader's language, rendered by components/words.html.

const found = new Map();

/** Return the sentence `key` with {name} replaced by `values.name`. An unknown key is shown as itself. */
export function word(key, values = {}) {
  if (!found.has(key)) {
    const place = document.getElementById("words")?.content.querySelector(`[data-word="${key}"]`);
    found.set(key, place?.textContent ?? key);
  }
  return found.get(key).replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}
