// Shows the samples of text that a run made after its evaluations.

import { h, replace } from "./dom.js";
import { fixed, number } from "./format.js";

/** Number of samples that are shown: the first, the last, and others at equal distances. */
const MOST = 24;

/** Draws the samples of a run into a section, newest first. */
export function samples(section, run, evaluations) {
  const all = evaluations.filter((one) => one.sample);
  section.hidden = all.length === 0;
  if (section.hidden) return;
  const kept = all.length <= MOST ? all
    : Array.from({ length: MOST }, (_, index) => all[Math.round((index * (all.length - 1)) / (MOST - 1))]);
  const isMasked = all[0].sample.prompt.includes("<mask>");
  replace(section,
    h("h2", {}, isMasked ? "What the model fills in" : "What the model writes"),
    h("p", { class: "hint" }, `${run.id}, after each evaluation, always from the same ${isMasked ? "sentence" : "beginning"}`
      + (kept.length < all.length ? `; ${kept.length} of ${number(all.length)} are shown.` : ".")),
    h("ol", { class: "samples", tabindex: 0, "aria-label": "Samples of text, newest first" }, kept.reverse().map((one) =>
      h("li", {}, h("span", { class: "when" }, h("b", {}, `step ${number(one.step)}`),
        one.bits_per_byte != null && h("span", {}, `${fixed(one.bits_per_byte, 3)} bits per byte`)),
      h("p", { class: "prose" }, ...text(one.sample))))));
}

/** Line breaks are escaped in samples; here they are lines again. */
const lines = (text) => text.replaceAll("\\n", "\n");

/** Marks what the model added. */
function text({ prompt, text }) {
  if (!prompt.includes("<mask>")) return [h("span", { class: "begun" }, lines(prompt)), h("span", {}, lines(text))];
  const parts = [];
  let rest = text;
  const [first, ...kept] = prompt.split("<mask>");
  if (!rest.startsWith(first)) return [lines(text)];
  parts.push(h("span", { class: "begun" }, lines(first)));
  rest = rest.slice(first.length);
  for (const [index, part] of kept.entries()) {
    // The last part is the end of the text, where a short part may also occur earlier.
    const end = index === kept.length - 1 && rest.endsWith(part) ? rest.length - part.length : rest.indexOf(part, 1);
    if (end < 0) return [lines(text)];
    parts.push(h("mark", {}, lines(rest.slice(0, end))), h("span", { class: "begun" }, lines(part)));
    rest = rest.slice(end + part.length);
  }
  return parts;
}
