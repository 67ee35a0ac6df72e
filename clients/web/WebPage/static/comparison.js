// Shows the settings of runs side by side, and what they are trained on.

import { get } from "./api.js";
import { $, h, replace } from "./dom.js";
import { bytes, number } from "./format.js";

/** The descriptions that were loaded, by run. A description does not change, except that a run decides before it starts. */
const known = new Map();
let wanted = () => [];
let latest = 0;

/** wanted(): returns the ids of the runs */
export function start(runs) {
  wanted = runs;
  $("settings").addEventListener("toggle", show);
  $("settings-all").addEventListener("change", show);
}

export async function describe(run) {
  if (!known.has(run)) {
    const found = await get("/api/run", { run });
    if (!found.settings?.decisions && found.settings?.recipe) return found;
    known.set(run, found);
  }
  return known.get(run);
}

export async function show() {
  if (!$("settings").open) return;
  const mine = ++latest;
  const runs = wanted();
  let content;
  try {
    content = table(runs, await Promise.all(runs.map(describe)));
  } catch (error) {
    content = [h("p", { class: "problem" }, error.message)];
  }
  if (mine === latest) replace($("settings-table"), content);
}

/** The values of nested objects, by their path: `recipe.learning_rate`. */
function flat(value, path = "") {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return [[path, value]];
  return Object.entries(value).flatMap(([key, inner]) => flat(inner, path ? `${path}.${key}` : key));
}

const shown = (value) => value === undefined || value === null ? "–"
  : Array.isArray(value) ? value.join(", ") || "–" : typeof value === "object" ? JSON.stringify(value) : String(value);

function table(runs, found) {
  if (runs.length === 0) return [h("p", { class: "hint" }, "No run yet.")];
  const rows = new Map([["text", []], ["corpora", []]]);
  for (const [index, one] of found.entries()) {
    rows.get("text")[index] = one.text;
    rows.get("corpora")[index] = about(one);
    for (const [key, value] of flat(one.settings ?? {})) {
      if (!rows.has(key)) rows.set(key, []);
      rows.get(key)[index] = shown(value);
    }
  }
  const differs = (values) => runs.some((_, index) => (values[index] ?? "–") !== (values[0] ?? "–"));
  const all = $("settings-all").checked || runs.length === 1;
  const kept = [...rows].filter(([key, values]) => all || differs(values));
  if (kept.length === 0) return [h("p", { class: "hint" }, "These runs have the same settings and texts.")];
  return [
    found.some((one) => !one.settings) && h("p", { class: "hint" },
      "The settings of runs whose files were removed (retention) are known from the models that they published, if those exist."),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Settings of the runs" },
      h("table", { class: "settings" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Setting"), runs.map((run) => h("th", { scope: "col", class: "mono" }, run)))),
        h("tbody", {}, kept.map(([key, values]) => h("tr", { class: runs.length > 1 && differs(values) && "differs" },
          h("th", { scope: "row" }, key), runs.map((_, index) => h("td", {}, values[index] ?? "–"))))))),
  ].filter(Boolean);
}

/** What a run is trained on, in one line. */
export function about({ corpora, corpora_count, corpora_bytes }) {
  if (!corpora_count) return "–";
  const names = corpora.slice(0, 3).map(({ name }) => name).join(", ");
  const more = corpora_count > 3 ? ` and ${number(corpora_count - 3)} more` : "";
  return `${names}${more} (${bytes(corpora_bytes)})`;
}
