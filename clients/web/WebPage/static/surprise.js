// Colors a text by how unexpected each of its tokens is to a model.

import { ask } from "./api.js";
import { $, announce, h, options, submitWithEnter } from "./dom.js";
import { fixed, number } from "./format.js";
import { models, on, state } from "./live.js";
import { keep, load } from "./store.js";

/** Surprise in bits at which a level begins: −log2 of the probability of a token. */
const LEVELS = [0, 4, 8, 12];
const NAMES = ["0–4 bits", "4–8", "8–12", "12 and more"];
/** Number of tokens in the table of the most unexpected ones. */
const LISTED = 10;
let latest = 0;

export function start() {
  keep($("surprise-text"), "surprise.text");
  keep($("surprise-model"), "surprise.model");
  $("surprise-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!$("surprise-button").disabled) show();
  });
  submitWithEnter($("surprise-text"), $("surprise-form"));
  on("status", () => {
    const trained = (state.status?.models ?? []).filter((model) => model.generation);
    options($("surprise-model"), models().filter(([name]) => trained.some((model) => model.name === name)),
      load("surprise.model"));
    enable();
  });
  on("service", enable);
}

function enable() {
  $("surprise-button").disabled = state.service.up === false || !$("surprise-model").value;
}

async function show() {
  const mine = ++latest;
  $("surprise-problem").hidden = true;
  $("surprise-result").setAttribute("aria-busy", "true");
  try {
    const text = $("surprise-text").value;
    const reply = await (await ask("/v1/score", { text, model: $("surprise-model").value, tokens: true })).json();
    // The response to an earlier request may arrive later.
    if (mine !== latest) return;
    draw(reply);
    announce(`${fixed(reply.bits_per_byte, 2)} bits per byte.`);
  } catch (error) {
    if (mine !== latest) return;
    $("surprise-result").replaceChildren();
    $("surprise-problem").textContent = error.message;
    $("surprise-problem").hidden = false;
    announce(error.message);
  }
  $("surprise-result").removeAttribute("aria-busy");
}

/** The tokens with their bits; tokens that are parts of one character are joined. */
export function pieces(scores) {
  const all = [];
  let bytes = [];
  let bits = 0;
  const end = () => {
    if (bytes.length) all.push({ text: new TextDecoder().decode(new Uint8Array(bytes)), bits });
    [bytes, bits] = [[], 0];
  };
  for (const { token, log_probability } of scores) {
    const surprise = -(log_probability ?? 0) / Math.LN2;
    const part = /^bytes:((?:\\x[0-9a-f]{2})+)$/.exec(token);
    if (part) {
      bytes.push(...part[1].split("\\x").slice(1).map((digits) => parseInt(digits, 16)));
      bits += surprise;
    } else {
      end();
      all.push({ text: token, bits: surprise });
    }
  }
  end();
  return all;
}

const level = (bits) => LEVELS.findLastIndex((least) => bits >= least);

/** White space, which would be invisible, is quoted and escaped. */
const display = (text) => text.trim() || JSON.stringify(text);

function draw(reply) {
  const scores = [...reply.token_scores];
  const last = scores.at(-1)?.token === "</s>" ? scores.pop() : undefined;
  const tokens = pieces(scores);
  const unexpected = [...tokens].sort((a, b) => b.bits - a.bits).slice(0, LISTED);
  $("surprise-result").replaceChildren(
    h("section", { class: "card" },
      h("p", { class: "prose surprise", role: "group", "aria-label": "The text, colored by surprise" },
        ...tokens.map(({ text, bits }) =>
          h("span", { class: `token level-${Math.max(0, level(bits))}`, title: `${fixed(bits, 1)} bits` }, text))),
      h("ul", { class: "scale", "aria-label": "Legend" },
        ...NAMES.map((name, index) => h("li", { class: `token level-${index}` }, name)))),
    h("section", { class: "card" },
      h("h2", {}, "Most unexpected"),
      h("table", { class: "unexpected" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Token"), h("th", { scope: "col", class: "num" }, "Bits"))),
        h("tbody", {}, ...unexpected.map(({ text, bits }) =>
          h("tr", {}, h("td", {}, display(text)), h("td", { class: "num" }, fixed(bits, 1))))))),
    h("p", { class: "receipt" },
      h("span", { class: "mono" }, `${reply.receipt.model} ${reply.receipt.generation}`),
      h("span", {}, `${number(reply.tokens)} tokens`),
      h("span", {}, `${fixed(reply.bits_per_byte, 3)} bits per byte`),
      last && h("span", {}, `the end of the text: ${fixed(-last.log_probability / Math.LN2, 1)} bits`)));
}
