// Shows what a run of the selected model would choose for several training times.

import { get } from "./api.js";
import { $, announce, h, replace } from "./dom.js";
import { duration, fixed, large } from "./format.js";

const COLUMNS = [
  ["Max time", (plan) => plan.max_seconds == null ? "no limit" : duration(plan.max_seconds)],
  ["Layers", (plan) => String(plan.num_hidden_layers)],
  ["Hidden size", (plan) => String(plan.hidden_size)],
  ["Parameters", (plan) => large(plan.parameters)],
  ["Epochs", (plan) => fixed(plan.num_train_epochs, 1)],
  ["Time", (plan) => duration(plan.seconds)],
  ["Bits per byte", (plan) => `${fixed(plan.bits_per_byte, 2)} ± ${fixed(plan.uncertainty, 2)}`],
];
let latest = 0;

export function start() {
  $("plan").addEventListener("toggle", show);
  $("train-model").addEventListener("change", show);
}

async function show() {
  const mine = ++latest;
  if (!$("plan").open) return;
  replace($("plans"), h("p", { class: "hint" }, "Estimating…"));
  let content;
  try {
    const { plans } = await get("/api/plan", { model: $("train-model").value || undefined });
    content = tables(plans);
  } catch (error) {
    content = [h("p", { class: "problem" }, error.message)];
  }
  // Another model may have been selected in the meantime.
  if (mine !== latest) return;
  replace($("plans"), content);
  announce($("plans").querySelector("p").textContent);
}

function tables(plans) {
  if (plans.length === 0) return [h("p", { class: "hint" }, "There is no model to estimate.")];
  const models = [...new Set(plans.map((plan) => plan.model))];
  return [
    h("p", { class: "hint" }, "These are estimates, for prose of the size of the model’s text on a machine that does nothing "
      + "else. The first row follows the model’s settings. Fewer bits per byte of held-out text are better; measured runs on "
      + "prose were within the ±."),
    ...models.flatMap((model) => [h("h2", {}, model), table(model, plans.filter((plan) => plan.model === model))]),
  ];
}

// On a narrow screen the rows are displayed as lists of labels and values. The roles keep it a table for screen readers.
const table = (model, plans) =>
  h("table", { role: "table", "aria-label": `Estimates for ${model}` },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, COLUMNS.map(([name], index) =>
      h("th", { scope: "col", role: "columnheader", class: index > 0 && "num" }, name)))),
    h("tbody", { role: "rowgroup" }, plans.flatMap((plan, index) => row(plan, index === 0))));

function row(plan, isOfSettings) {
  const [[limit, maxTime], ...others] = COLUMNS;
  const chosen = isOfSettings && "chosen";
  return [
    h("tr", { role: "row", class: chosen },
      h("th", { scope: "row", role: "rowheader", "data-label": limit }, maxTime(plan),
        isOfSettings && h("span", { class: "badge good" }, "settings")),
      others.map(([name, value]) => h("td", { role: "cell", class: "num", "data-label": name }, value(plan)))),
    ...(plan.ends_early ? [h("tr", { role: "row", class: chosen },
      h("td", { role: "cell", class: "early", colspan: COLUMNS.length },
        "The time ends before all of the text has been read once: with a longer time the model learns more."))] : []),
  ];
}
