// Shows which parts of an answer occur verbatim in the corpora that its model was trained on, and where.

import { change } from "./api.js";
import { h } from "./dom.js";
import { percent } from "./format.js";

/** Milliseconds between questions while the corpora are being indexed. */
const RETRY = 1000;
/** Parts that are listed. */
const SHOWN = 8;

/** A panel for the answer `text` of `model`, and a function that shows or hides it. */
export function tracePanel(text, model) {
  const panel = h("div", { class: "trace", hidden: true, "aria-live": "polite" });
  let isFilled = false;
  async function toggle() {
    panel.hidden = !panel.hidden;
    if (panel.hidden || isFilled) return;
    isFilled = true;
    isFilled = await fill(panel, text, model);
  }
  return { panel, toggle };
}

/** Returns whether the panel shows a result. */
async function fill(panel, text, model) {
  while (!panel.hidden) {
    try {
      const reply = await change("/v1/trace", { text, model }, "The text of the corpora is shown with the token only.");
      if (!reply) break;
      panel.replaceChildren(...result(text, reply));
      return true;
    } catch (error) {
      panel.replaceChildren(h("p", { class: error.code === "index_not_ready" ? "hint" : "problem" }, error.message));
      if (error.code !== "index_not_ready") return false;
      await new Promise((resolve) => setTimeout(resolve, RETRY));
    }
  }
  panel.hidden = true;
  return false;
}

function result(text, { spans, words, verbatim_words: verbatim, searched, omitted_spans: omitted }) {
  const letters = Array.from(text);
  const lead = spans.length === 0
    ? "Nothing of it occurs verbatim in the text that the model was trained on."
    : `${percent(verbatim / Math.max(1, words))} of it occurs verbatim in the text that the model was trained on; the rest is new.`;
  const left = Math.max(0, spans.length - SHOWN) + omitted;
  const notes = [
    left > 0 && `${left} more parts are not shown`,
    searched.removed > 0 && `${searched.removed} corpora that were removed since were not searched`,
    !searched.complete && "the search took too long and was ended: counts are lower bounds",
    searched.omitted > 0 && `${searched.omitted} corpora were not searched: they are too many`,
  ].filter(Boolean);
  return [
    h("p", { class: "hint" }, lead),
    ...spans.slice(0, SHOWN).map((span) =>
      h("section", {},
        h("p", {}, h("q", {}, letters.slice(span.offset, span.offset + span.length).join("")), ` ${span.count}×`),
        h("ul", {}, ...span.passages.map(place)))),
    ...notes.map((note) => h("p", { class: "hint" }, note)),
  ];
}

const place = ({ name, line, before, matched, after, corpus }) =>
  h("li", {}, h("span", { class: "mono", title: `corpus ${corpus}` }, `${name}:${line}`), " ", before, h("mark", {}, matched), after);
