// Elements, without markup: text is text, whatever it says.

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

/** Puts `children` in the place of what is there, unless that reads the same: focus and selection stay. */
export function replace(element, ...children) {
  const fresh = element.cloneNode(false);
  fresh.append(...children.flat().filter(Boolean));
  if (!fresh.isEqualNode(element)) element.replaceChildren(...fresh.childNodes);
}

/** The choices of a select, the chosen one kept where it is still there. */
export function options(select, choices, chosen = select.value) {
  replace(select, choices.map(([value, text]) => h("option", { value }, text)));
  if (choices.some(([value]) => value === chosen)) select.value = chosen;
}

let said;
/** For who does not see the page. */
export function announce(text) {
  clearTimeout(said);
  $("announcer").textContent = "";
  said = setTimeout(() => ($("announcer").textContent = text), 50);
}
