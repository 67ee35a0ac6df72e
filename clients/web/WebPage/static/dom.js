// Creates elements without parsing markup, so that text is always inserted as text.

export const $ = (id) => document.getElementById(id);

const SVG = "http://www.w3.org/2000/svg";

function make(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** h("p", { class: "hint" }, "text", element) */
export const h = (tag, properties, ...children) => make(document.createElement(tag), properties, children);
export const svg = (tag, properties, ...children) => make(document.createElementNS(SVG, tag), properties, children);

/** Replaces the children unless they are equal, to preserve focus and selection. */
export function replace(element, ...children) {
  const fresh = element.cloneNode(false);
  fresh.append(...children.flat().filter(Boolean));
  if (!fresh.isEqualNode(element)) element.replaceChildren(...fresh.childNodes);
}

/** Sets the options of a select. Selects `wanted` or else the previous selection, if it is an option, or else the first. */
export function options(select, choices, wanted) {
  const before = select.value;
  replace(select, choices.map(([value, text]) => h("option", { value }, text)));
  // Moving options into the select has selected the last one.
  const exists = (wanted) => choices.some(([value]) => value === wanted);
  select.value = [wanted, before].find(exists) ?? choices[0]?.[0] ?? "";
}

/** Submits a form with Enter, or Ctrl-Enter; Shift-Enter breaks the line. */
export function submitWithEnter(field, form) {
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
}

let said;
/** Announces a message to screen readers. */
export function announce(text) {
  clearTimeout(said);
  $("announcer").textContent = "";
  said = setTimeout(() => ($("announcer").textContent = text), 50);
}
