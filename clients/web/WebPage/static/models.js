// Lists the generations of each model; promotes one or rolls back, saves it, and says what it was trained on.

import { change, get, getWithToken } from "./api.js";
import { about as trainedOn, describe } from "./comparison.js";
import { saveAs } from "./csv.js";
import { $, announce, h, replace } from "./dom.js";
import { bytes, fixed, large, moment, number } from "./format.js";
import { on, refresh, state } from "./live.js";

/** Generations by model name, newest first. */
const generations = new Map();
/** What the runs of generations were trained on, by run: an element of the description. */
const descriptions = new Map();
/** The downloads in progress, by `MODEL/NUMBER`: bytes received. */
const downloads = new Map();
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
  for (const button of $("models").querySelectorAll("button[data-do]")) {
    const { model, generation, run } = button.dataset;
    const actions = { promote: () => promote(model, Number(generation)), save: () => download(model, Number(generation)),
      describe: () => showText(run), remove: () => remove(model, Number(generation)) };
    button.onclick = actions[button.dataset.do];
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
  return h("table", { class: "stack", role: "table", "aria-label": `Generations of ${model.name}` },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, h("th", { class: "num" }, "No."), h("th", {}, "State"),
      h("th", { class: "num" }, "Held out"), h("th", {}, "Bits per byte"), h("th", { class: "num" }, "Size"),
      h("th", {}, "Created"), h("th", {}, h("span", { class: "sr" }, "Actions")))),
    h("tbody", { role: "rowgroup" }, all.map((one) => row(model, one, most))));
}

function row(model, one, most) {
  const serves = one.number === model.generation;
  const length = one.bits_per_byte && most ? `${(one.bits_per_byte / most) * 100}%` : "0";
  const received = downloads.get(`${model.name}/${one.number}`);
  const name = h("span", { class: "sr" }, `: ${model.name} ${one.number}`);
  const button = (action, text, properties) => h("button", {
    class: "quiet", type: "button", "data-do": action, "data-model": model.name, "data-generation": one.number,
    "data-run": one.run, ...properties }, text, name.cloneNode(true));
  return h("tr", { role: "row", class: serves ? "serves" : "" },
    h("th", { role: "rowheader", scope: "row", class: "num", "data-label": "No." }, String(one.number)),
    h("td", { role: "cell" }, h("span", { class: `badge ${serves ? "good" : one.state === "rejected" ? "bad" : ""}` }, one.state),
      // The reason of a generation that serves was why it was promoted.
      !serves && one.reason && h("span", { class: "reason" }, one.reason),
      serves && one.precision && h("span", { class: "reason" }, `Weights in ${one.precision}: ${one.precision_reason}.`),
      descriptions.has(one.run) ? descriptions.get(one.run).cloneNode(true)
        : one.run && h("button", { class: "link text", type: "button", "data-do": "describe", "data-run": one.run },
          "What was it trained on?", name.cloneNode(true))),
    h("td", { role: "cell", class: "num", "data-label": "Held out" }, fixed(one.evaluation_loss, 4)),
    h("td", { role: "cell", "data-label": "Bits per byte" },
      h("span", { class: "measure" }, h("span", { class: "num" }, fixed(one.bits_per_byte, 3)),
        h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: "bar", style: { width: length } })))),
    h("td", { role: "cell", class: "num", "data-label": "Size" }, one.bytes != null ? bytes(one.bytes) : "–"),
    h("td", { role: "cell", "data-label": "Created", title: `${one.run}, SHA-256 ${one.model_sha256}` }, moment(one.created)),
    h("td", { role: "cell", class: "do" }, h("div", { class: "row" },
      !serves && one.bytes != null
        && button("promote", one.number < (model.generation ?? 0) ? "Roll back" : "Promote", {}),
      !serves && one.bytes != null && button("remove", "Delete", {}),
      one.bytes != null && button("save", received === undefined ? "Save" : `${bytes(received)} …`, {
        disabled: received !== undefined, title: "Save as a Hugging Face model directory (tar)" }))));
}

/** Shows what a run was trained on, in the rows of its generations. */
async function showText(run) {
  let found;
  try {
    found = await describe(run);
  } catch (error) {
    return problem(error);
  }
  descriptions.set(run, h("span", { class: "reason" }, `Trained on ${trainedOn(found)}. ${(found.text ?? "").replace(/^text:/, "Text:")}`));
  draw();
}

/** Saves a generation as a file, which the browser keeps on its disk until it is complete. */
async function download(model, generation) {
  const key = `${model}/${generation}`;
  try {
    const response = await getWithToken("/api/export", { model, generation }, "Saving a model");
    if (!response) return;
    downloads.set(key, 0);
    draw();
    let drawn = performance.now();
    const counted = response.body.pipeThrough(new TransformStream({
      transform(chunk, controller) {
        downloads.set(key, downloads.get(key) + chunk.byteLength);
        if (performance.now() - drawn > 500) {
          drawn = performance.now();
          draw();
        }
        controller.enqueue(chunk);
      },
    }));
    saveAs(`${model}-${generation}.tar`, await new Response(counted).blob());
    announce(`${model} ${generation} was saved.`);
  } catch (error) {
    problem(error);
  } finally {
    downloads.delete(key);
    draw();
  }
}

async function remove(model, generation) {
  if (!confirm(`Delete generation ${generation} of ${model}? Its files cannot be restored.`)) return;
  try {
    if (!(await change("/api/delete", { model, generation }, "Deleting a generation"))) return;
    announce(`Generation ${generation} of ${model} was deleted.`);
    await loadAll();
  } catch (error) {
    problem(error);
  }
}

function problem(error) {
  announce(error.message);
  $("models").prepend(h("p", { class: "problem" }, error.message));
}

async function promote(model, generation) {
  try {
    if (!(await change("/api/promote", { model, generation }, "Promoting a generation"))) return;
    announce(`${model} now serves generation ${generation}.`);
    await refresh();
    await loadAll();
  } catch (error) {
    problem(error);
  }
}
