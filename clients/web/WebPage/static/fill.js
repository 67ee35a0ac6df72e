// Shows a model's predictions for the masks of a sentence.

import { ask } from "./api.js";
import { $, announce, h, options, submitWithEnter } from "./dom.js";
import { percent } from "./format.js";
import { enable, models, on, serving } from "./live.js";
import { keep, load, save } from "./store.js";

const MASK = "<mask>";
let result = load("fill.result");
let undone = [];
let latest = 0;

export function start() {
  keep($("fill-text"), "fill.text");
  keep($("fill-model"), "fill.model");
  $("fill-text").value ||= `Human thinking involves human ${MASK}.`;
  $("fill-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!$("fill-button").disabled) fill();
  });
  submitWithEnter($("fill-text"), $("fill-form"));
  $("fill-mask").addEventListener("click", () => {
    const field = $("fill-text");
    field.setRangeText(MASK, field.selectionStart, field.selectionEnd, "end");
    put(field.value);
    field.focus();
  });
  $("fill-undo").addEventListener("click", () => {
    const before = undone.pop();
    $("fill-undo").hidden = undone.length === 0;
    put(before);
    fill();
  });
  on("status", () => {
    options($("fill-model"), models("mlm"), load("fill.model") ?? serving("mlm"));
    enable("mlm", $("fill-button"), $("fill-waiting"));
  });
  on("service", () => enable("mlm", $("fill-button"), $("fill-waiting")));
  draw();
}

function put(text) {
  $("fill-text").value = text;
  save("fill.text", text);
}

async function fill() {
  const mine = ++latest;
  const text = $("fill-text").value;
  $("fill-problem").hidden = true;
  $("fill-result").setAttribute("aria-busy", "true");
  try {
    const body = { text, top_k: 8 };
    if ($("fill-model").value) body.model = $("fill-model").value;
    const reply = await (await ask("/v1/fill-mask", body)).json();
    // The response to an earlier request may arrive later.
    if (mine !== latest) return;
    result = { text, masks: reply.masks, window: reply.window_tokens, receipt: reply.receipt };
    const [best] = reply.masks[0];
    announce(`${reply.masks.length === 1 ? "One mask" : `${reply.masks.length} masks`}. `
      + `First: ${display(best.token_str)}, ${percent(best.score)}.`);
  } catch (error) {
    if (mine !== latest) return;
    result = undefined;
    $("fill-problem").textContent = error.message;
    $("fill-problem").hidden = false;
    announce(error.message);
  }
  $("fill-result").removeAttribute("aria-busy");
  save("fill.result", result);
  draw();
}

function draw() {
  if (!result) return $("fill-result").replaceChildren();
  const several = result.masks.length > 1;
  $("fill-result").replaceChildren(
    ...result.masks.map((fillings, index) =>
      h("section", { class: "card mask" },
        h("h2", { class: several ? "" : "sr" }, several ? `Mask ${index + 1}` : "Candidates"),
        h("p", { class: "prose sentence" }, ...sentence(index)),
        h("ol", { class: "bars" }, ...fillings.map((filling) => bar(filling, index, fillings[0].score))))),
    h("p", { class: "receipt" }, h("span", { class: "mono" }, `${result.receipt.model} ${result.receipt.generation}`),
      result.window && h("span", {}, `longer than the texts in training: predicted from ${result.window - 2} tokens around the mask`),
      h("span", {}, "click a word to insert it into the sentence")));
}

/** The sentence with its masks as gaps, the current one highlighted. */
function sentence(index) {
  return result.text.split(MASK).flatMap((part, place) => place === 0 ? [part] : [
    h("span", { class: place - 1 === index ? "gap this" : "gap" }, h("span", { class: "sr" }, "mask")), part]);
}

/** Returns the form in which a token is listed: white space, which would be invisible, is quoted and escaped. */
const display = (token) => token.trim() || JSON.stringify(token);

/** Returns whether inserting a token makes sense: not for special tokens, or for bytes of an incomplete character. */
const isText = (token) => !/^<\/?[a-z]+>$|\uFFFD/.test(token);

function bar(filling, index, best) {
  const word = filling.token_str;
  const fillBar = h("span", { class: "bar", style: { width: `${(filling.score / best) * 100}%` } });
  return h("li", {},
    h("button", { type: "button", class: "candidate", disabled: !isText(word), onclick: () => accept(word, index) },
      h("span", { class: "word" }, display(word)),
      h("span", { class: "track", "aria-hidden": "true" }, fillBar),
      h("span", { class: "share" }, percent(filling.score))));
}

function accept(word, index) {
  const parts = result.text.split(MASK);
  // A token that starts with a space replaces the space before the mask.
  const before = word.startsWith(" ") && /\s$/.test(parts[index]) ? word.slice(1) : word;
  const text = parts.reduce((made, part, place) => made + (place - 1 === index ? before : MASK) + part);
  undone.push(result.text);
  $("fill-undo").hidden = false;
  put(text);
  if (text.includes(MASK)) return fill();
  result = undefined;
  save("fill.result", null);
  draw();
  $("fill-text").focus();
  announce(`The sentence is now: ${text}`);
}
