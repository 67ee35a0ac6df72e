// Lists the generations of each model; promotes one or rolls back.

import { change, get } from "./api.js";
import { $, announce, h, replace } from "./dom.js";
import { fixed, large, moment, number } from "./format.js";
import { on, refresh, state } from "./live.js";

/** Generations by model name, newest first. */
const generations = new Map();
let seen = "";

export function start() {
  on("status", (status) => {
    // Reloaded when a generation was added or promoted; the rest of the status is drawn directly.
    const now = JSON.stringify(status.models.map((model) => [model.name, model.generation, model.state]));
    if (now !== seen) {
      seen = now;
      loadAll();
    }
  });
  on("event", ({ kind }) => /^(generation_|run_finished)/.test(kind) && loadAll());
}

export const shown = () => loadAll();

async function loadAll() {
  await Promise.all((state.status?.models ?? []).map(async ({ name, generation }) => {
    try {
      // From the newest down to the serving one; kbctl lists older ones.
      const found = [];
      let after;
      do {
        const reply = await get("/api/generations", { model: name, limit: 200, after });
        found.push(...reply.generations);
        after = reply.next ?? undefined;
      } while (after && generation && !found.some(({ number }) => number <= generation));
      generations.set(name, found.sort((a, b) => b.number - a.number));
    } catch {
      // Keep the previous data.
    }
  }));
  draw();
}

function draw() {
  replace($("models"), (state.status?.models ?? []).map((model) => h("article", { class: "card model" },
    h("header", {}, h("h2", {}, model.name), h("span", { class: "badge" }, model.state)),
    h("p", { class: "hint" }, about(model)), model.reason && h("p", { class: "hint" }, model.reason), table(model))));
  for (const button of $("models").querySelectorAll("button")) {
    button.onclick = () => promote(button.dataset.model, Number(button.dataset.generation));
  }
}

function about(model) {
  const does = model.objective === "mlm" ? "fills masks" : "continues text";
  if (!model.generation) return `It ${does} once it has been trained.`;
  return `It ${does}; serving generation ${model.generation} with ${large(model.parameters)} parameters and a vocabulary of `
    + `${number(model.vocab_size)} tokens.`;
}

function table(model) {
  const all = generations.get(model.name) ?? [];
  if (all.length === 0) return h("p", { class: "hint" }, "No generation yet.");
  const most = Math.max(...all.map((one) => one.bits_per_byte ?? 0));
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Generations of ${model.name}` },
    h("table", {},
      h("thead", {}, h("tr", {}, h("th", { class: "num" }, "No."), h("th", {}, "State"),
        h("th", { class: "num" }, "Held out"), h("th", {}, "Bits per byte"), h("th", {}, "Created"),
        h("th", {}, h("span", { class: "sr" }, "Actions")))),
      h("tbody", {}, all.map((one) => row(model, one, most)))));
}

function row(model, one, most) {
  const serves = one.number === model.generation;
  const length = one.bits_per_byte && most ? `${(one.bits_per_byte / most) * 100}%` : "0";
  return h("tr", { class: serves ? "serves" : "" },
    h("th", { scope: "row", class: "num" }, String(one.number)),
    h("td", {}, h("span", { class: `badge ${serves ? "good" : one.state === "rejected" ? "bad" : ""}` }, one.state),
      // The reason of a generation that serves was why it was promoted.
      !serves && one.reason && h("span", { class: "reason" }, one.reason),
      serves && one.precision && h("span", { class: "reason" }, `Weights in ${one.precision}: ${one.precision_reason}.`)),
    h("td", { class: "num" }, fixed(one.evaluation_loss, 4)),
    h("td", {}, h("span", { class: "measure" }, h("span", { class: "num" }, fixed(one.bits_per_byte, 3)),
      h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: "bar", style: { width: length } })))),
    h("td", { title: `${one.run}, SHA-256 ${one.model_sha256}` }, moment(one.created)),
    h("td", { class: "do" }, !serves
      && h("button", { class: "quiet", type: "button", "data-model": model.name, "data-generation": one.number },
        one.number < (model.generation ?? 0) ? "Roll back" : "Promote",
        h("span", { class: "sr" }, `: ${model.name} ${one.number}`))));
}

async function promote(model, generation) {
  try {
    if (!(await change("/api/promote", { model, generation }, "Promoting a generation"))) return;
    announce(`${model} now serves generation ${generation}.`);
    await refresh();
    await loadAll();
  } catch (error) {
    announce(error.message);
    $("models").prepend(h("p", { class: "problem" }, error.message));
  }
}
