// Shows the current run, its curves and samples of text, other runs, and events.

import { change, get } from "./api.js";
import { Chart } from "./chart.js";
import * as comparison from "./comparison.js";
import { saveCSV } from "./csv.js";
import { $, announce, h, options, replace } from "./dom.js";
import { clock, duration, fixed, moment, number, percent } from "./format.js";
import { models, on, state } from "./live.js";
import * as plans from "./plans.js";
import { samples } from "./samples.js";
import { keep, load, save } from "./store.js";

/** Number of earlier runs in the background if none is chosen. */
const EARLIER = 3;
/** Maximum number of runs that are chosen to be compared, each of which has a color. */
const COMPARED = 4;

/** The quantities of the chart: their title, the value of a step, and that of an evaluation if it has one. */
const QUANTITIES = {
  loss: { name: "Loss", title: "loss, nats per token", step: "loss", held: "loss", smoothed: true },
  learning_rate: { name: "Learning rate", title: "learning rate", step: "learning_rate" },
  gradient_norm: { name: "Gradient norm", title: "gradient norm, before clipping", step: "gradient_norm", smoothed: true },
  bits: { name: "Bits per byte", title: "held-out bits per byte", held: "bits_per_byte" },
  speed: { name: "Tokens per second", title: "tokens per second", step: "tokens_per_second", smoothed: true },
};

/** Runs, newest first. */
let runs = [];
/** Steps and evaluations of each run that was viewed, in order. */
const measured = new Map();
let chart;
let running;
let latest = 0;

export function start() {
  chart = new Chart($("chart"), describe);
  keep($("run-select"), "training.run");
  keep($("chart-log"), "training.log");
  options($("chart-quantity"), Object.entries(QUANTITIES).map(([key, { name }]) => [key, name]));
  keep($("chart-quantity"), "training.quantity");
  $("run-select").addEventListener("change", look);
  $("chart-log").addEventListener("change", draw);
  $("chart-quantity").addEventListener("change", draw);
  $("chart-csv").addEventListener("click", () => {
    const run = looked();
    if (run && measured.has(run.id)) saveCSV(run.id, measured.get(run.id));
  });
  comparison.start(() => [looked(), ...compared()].filter(Boolean).map(({ id }) => id));
  $("train").addEventListener("click", train);
  plans.start();
  on("status", (status) => {
    card(status);
    options($("train-model"), [["", "models with new text"], ...models()]);
    // The list is reloaded when a run starts or ends; between those, the status is more recent.
    if (status.run?.id !== running) loadRuns();
    running = status.run?.id;
    Object.assign(runs.find((run) => run.id === running) ?? {}, status.run);
    table();
  });
  on("service", ({ up }) => up && loadRuns());
  on("event", (event) => {
    if (event.run_state) loadRuns();
    if (event.kind === "evaluation") append(event.run, "evaluations", [{ ...event.fields, time: event.time }]);
    if (event.kind === "sample") addSample(event);
  });
  on("steps", (steps) => {
    for (const event of steps) append(event.run, "steps", [{ ...event.fields, time: event.time }]);
  });
  on("recent", events);
}

export function shown() {
  draw();
}

/** The selected run, or else the newest with steps. */
function looked() {
  const chosen = runs.find((run) => run.id === $("run-select").value);
  return chosen ?? runs.find((run) => run.id === running) ?? runs.find((run) => run.step > 0) ?? runs[0];
}

async function loadRuns() {
  const mine = ++latest;
  let reply;
  try {
    reply = await get("/api/runs", { limit: 60 });
  } catch {
    return;
  }
  // Events arrive in bursts: a response to an older request is out of date.
  if (mine !== latest) return;
  ({ runs } = reply);
  options($("run-select"), [["", "the newest run"], ...runs.map((run) => [run.id, run.id])], load("training.run", ""));
  table();
  look();
}

/** The ids of the runs that were chosen to be compared, in the order of their colors. */
const chosen = () => load("training.compared", []);

/** The runs that were chosen to be compared, except for the selected one. */
const compared = () => chosen().map((id) => runs.find((run) => run.id === id && run !== looked())).filter(Boolean);

/** The other runs in the chart: those that were chosen, or else the earlier ones of the same model. */
function others(run) {
  const found = compared();
  if (found.length === 0) return before(run).map((other) => ({ run: other, name: "earlier" }));
  return found.map((other) => ({ run: other, name: `other-${chosen().indexOf(other.id)}` }));
}

function compare(id, isWanted) {
  // Runs that are not listed any more would take up colors.
  const kept = chosen().filter((other) => other !== id && runs.some((run) => run.id === other));
  if (isWanted && kept.length >= COMPARED) announce(`At most ${COMPARED} runs are compared.`);
  save("training.compared", isWanted ? [...kept, id].slice(-COMPARED) : kept);
  table();
  look();
}

/** Fetches missing steps of the selected run and of the others in the chart. */
async function look() {
  const run = looked();
  if (!run) return draw();
  const wanted = [run, ...others(run).map((other) => other.run)];
  await Promise.all(wanted.map(fetchMissing));
  draw();
  comparison.show();
}

const before = (run) =>
  runs.slice(runs.indexOf(run) + 1).filter((other) => other.model === run.model && other.step > 0).slice(0, EARLIER);

async function fetchMissing({ id }) {
  const known = measured.get(id);
  try {
    let after = known?.steps.at(-1)?.step;
    do {
      const reply = await get("/api/metrics", { run: id, after_step: after });
      if (!measured.has(id)) measured.set(id, { steps: [], evaluations: [] });
      append(id, "steps", reply.steps);
      append(id, "evaluations", reply.evaluations);
      after = reply.next ?? undefined;
    } while (after !== undefined);
  } catch {
    // Fetched with the next update.
  }
}

/** Merges steps from events and requests. A run that was killed repeats some; the later values are kept. */
function append(run, kind, added) {
  const known = measured.get(run)?.[kind];
  if (!known || added === known) return;
  for (const one of added) {
    while (known.length && known.at(-1).step >= one.step) known.pop();
    known.push(one);
  }
  if (run === looked()?.id) draw();
}

/** Adds a sample of text to the evaluation that it follows. */
function addSample({ run, fields: { step, prompt, text } }) {
  const evaluation = measured.get(run)?.evaluations.findLast((one) => one.step === step);
  if (!evaluation) return;
  evaluation.sample = { prompt, text };
  if (run === looked()?.id) draw();
}

function draw() {
  const run = looked();
  $("chart-csv").disabled = !measured.get(run?.id)?.steps.length;
  if (!run || $("page-training").hidden) return;
  const quantity = QUANTITIES[$("chart-quantity").value] ?? QUANTITIES.loss;
  const curve = ({ id }, kind, key) =>
    key ? (measured.get(id)?.[kind] ?? []).filter((one) => one[key] != null).map((one) => ({ x: one.step, y: one[key] })) : [];
  const lines = (run) => ({ train: curve(run, "steps", quantity.step), held: curve(run, "evaluations", quantity.held) });
  const shown = others(run).map((other) => ({ ...other, ...lines(other.run) }))
    .filter((other) => other.train.length || other.held.length);
  chart.show({
    ...lines(run), others: shown.map((other) => (other.name === "earlier" && quantity.step ? { ...other, held: [] } : other)),
    total: run.total_steps, log: $("chart-log").checked, title: quantity.title, smoothed: Boolean(quantity.smoothed),
  });
  legend(run, quantity, shown);
  samples($("samples"), run, measured.get(run.id)?.evaluations ?? []);
  const [step, evaluation] = [measured.get(run.id)?.steps.at(-1), measured.get(run.id)?.evaluations.at(-1)];
  $("chart-readout").textContent = step
    ? `${run.id}, step ${number(step.step)}: loss ${fixed(step.loss, 4)}`
      + (evaluation ? `, held out ${fixed(evaluation.loss, 4)} after step ${number(evaluation.step)}` : "")
    : "";
}

function legend(run, quantity, shown) {
  const keys = [];
  if (quantity.step) keys.push(["train", quantity.held ? "training" : run.id]);
  if (quantity.held) keys.push(["held", "held out"]);
  if (shown[0]?.name === "earlier") keys.push(["earlier", "earlier runs"]);
  else keys.push(...shown.map(({ name, run }) => [name, run.id]));
  replace($("chart-legend"), keys.map(([name, text]) => h("span", { class: `key ${name}` }, text)));
}

/** Returns the values that the chart shows for a step. */
function describe(step) {
  const known = measured.get(looked()?.id);
  const at = known?.steps.find((one) => one.step === step);
  // The chart may still show the previous run while the new one's steps are being loaded.
  if (!at) return [];
  const held = known.evaluations.filter((one) => one.step <= step).at(-1);
  return [
    ["step", number(step)], ["loss", fixed(at.loss, 4)], held && ["held out", fixed(held.loss, 4)],
    ["rate", at.learning_rate.toExponential(2)], ["gradient", fixed(at.gradient_norm, 2)],
    ["tokens/s", number(at.tokens_per_second)],
  ].filter(Boolean);
}

function card({ run, queued, models: all, inbox_pending }) {
  if (!run) {
    const files = inbox_pending ? `Files in the inbox: ${inbox_pending}. ` : "";
    const waits = all.map((model) => [
      model.name, model.next_training && `next at ${moment(model.next_training)}`, model.reason,
    ].filter(Boolean)).filter((words) => words.length > 1);
    return replace($("run-card"), h("p", { class: "lead" }, "No training in progress."),
      h("p", { class: "hint" }, `${files}Add text to the inbox to train a model. `,
        h("a", { href: "#corpora" }, "Corpora")),
      waits.map(([name, ...words]) => h("p", { class: "hint" }, `${name}: ${words.join(", ")}`)));
  }
  const share = run.total_steps ? run.step / run.total_steps : 0;
  const figure = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  replace($("run-card"),
    h("div", { class: "run-head" }, h("h2", {}, run.id),
      h("span", { class: "run-share" }, run.total_steps ? percent(share, share < 0.1 ? 1 : 0) : "preparing"),
      h("button", { class: "quiet", type: "button", id: "cancel" }, "Cancel")),
    h("progress", { max: 1, value: share, "aria-label": `${run.id}: ${percent(share, 0)}` }),
    h("dl", { class: "figures" },
      figure("remaining", run.remaining_seconds != null ? duration(run.remaining_seconds) : "–"),
      figure("step", run.total_steps ? `${number(run.step)} of ${number(run.total_steps)}` : "–"),
      figure("loss", fixed(run.loss, 4)), figure("held out", fixed(run.evaluation_loss, 4)),
      figure("tokens/s", number(run.tokens_per_second)), figure("epoch", fixed(run.epoch, 2))),
    queued.length > 0 && h("p", { class: "hint" }, `Then: ${queued.map((next) => next.id).join(", ")}`));
  $("cancel").onclick = () => cancel(run.id);
}

async function train() {
  const body = { force: $("train-force").checked };
  if ($("train-model").value) body.model = $("train-model").value;
  await attempt(async () => {
    const reply = await change("/api/train", body, "Starting a run");
    if (reply) announce(`Queued: ${reply.runs.join(", ")}`);
  });
}

async function cancel(run) {
  await attempt(async () => {
    if (await change("/api/cancel", { run }, "Cancelling a run")) announce(`${run} is being cancelled.`);
  });
}

async function attempt(body) {
  try {
    await body();
  } catch (error) {
    announce(error.message);
    $("run-card").prepend(h("p", { class: "problem" }, error.message));
  }
}

const STATES = { running: "good", finished: "", failed: "bad", cancelled: "warn", interrupted: "warn", queued: "" };

function table() {
  const wanted = chosen();
  replace($("runs"), runs.map((run) => h("tr", {},
    h("td", { class: "choose" }, h("input", {
      type: "checkbox", "data-run": run.id, "aria-label": `Compare ${run.id}`, disabled: run.step === 0,
      class: wanted.includes(run.id) && `other-${wanted.indexOf(run.id)}`,
    })),
    h("th", { scope: "row", class: "mono" }, run.id),
    h("td", {}, h("span", { class: `badge ${STATES[run.state] ?? ""}` }, run.state),
      run.reason && h("span", { class: "reason" }, run.reason)),
    h("td", { class: "num", "data-label": "Steps" }, number(run.step)),
    h("td", { class: "num", "data-label": "Loss" }, fixed(run.loss, 3)),
    h("td", { class: "num", "data-label": "Held out" }, fixed(run.evaluation_loss, 3)),
    h("td", { "data-label": "Started" }, run.started ? moment(run.started) : "–"))));
  for (const box of $("runs").querySelectorAll("input")) {
    box.checked = wanted.includes(box.dataset.run);
    box.onchange = () => compare(box.dataset.run, box.checked);
  }
}

function events(recent) {
  replace($("events"), recent.length === 0
    ? h("li", { class: "hint" }, "New events appear here.")
    : recent.slice(0, 100).map((event) => h("li", { class: event.level },
      h("time", { datetime: event.time }, clock(event.time)), h("span", {}, event.message))));
}
