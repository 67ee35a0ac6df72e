// Stores values across page reloads.

const PREFIX = "kantaibert.";

export function load(key, otherwise) {
  try {
    const text = localStorage.getItem(PREFIX + key);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

export function save(key, value) {
  try {
    if (value === undefined || value === null) localStorage.removeItem(PREFIX + key);
    else localStorage.setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    // Storage is full or disabled; the page works without it.
  }
}

/** Preserves the value of an input across reloads. */
export function keep(input, key) {
  const property = input.type === "checkbox" ? "checked" : "value";
  const kept = load(key);
  if (kept !== undefined) input[property] = kept;
  input.addEventListener("input", () => save(key, input[property]));
}
