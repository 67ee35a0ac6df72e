// The first start: what to do until a model answers, and what is missing for each step.

import { get } from "./api.js";
import { $, h, replace } from "./dom.js";
import { duration, percent } from "./format.js";
import { on, state } from "./live.js";

/** Number of admitted and of rejected corpora; undefined until it is known. */
let counts;
let latest = 0;

export function start() {
  on("status", draw);
  on("service", ({ up }) => up && count());
  on("event", ({ kind }) => kind.startsWith("corpus_") && count());
}

async function count() {
  // A model that serves has been trained on text.
  if (state.status?.models.some((model) => model.generation)) return;
  const mine = ++latest;
  try {
    const reply = await get("/api/corpora", { limit: 1, newest_first: true });
    if (mine === latest) counts = reply.counts ?? counts;
  } catch {
    // Asked again with the next event.
  }
  draw();
}

function draw() {
  const { status } = state;
  const serves = status?.models.find((model) => model.generation);
  $("first").hidden = !status || !counts || Boolean(serves);
  if ($("first").hidden) return;
  const hasText = counts.admitted > 0;
  replace($("first"),
    h("p", { class: "lead" }, "Three steps to a model of your text"),
    h("ol", { class: "steps" },
      step("Drop a text", hasText, !hasText, ...text(status)),
      step("Watch it learn", false, hasText, ...training(status, hasText)),
      step("Ask it", false, false, "Chat and Fill answer as soon as a model serves. ", ...status.models.map((model) =>
        h("span", { class: "reason" }, `${model.name} ${model.objective === "mlm" ? "fills masks" : "continues text"}: `
          + (model.reason ?? model.state))))));
}

const step = (name, isDone, isNow, ...about) =>
  h("li", { class: isDone ? "done" : isNow ? "now" : "", "aria-current": isNow && "step" },
    h("b", {}, name, isDone && h("span", { class: "sr" }, " (done)")), h("p", { class: "hint" }, ...about));

const link = (page, name) => h("a", { href: `#${page}` }, name);

function text({ inbox_pending }) {
  if (counts.admitted > 0) {
    return [`${counts.admitted === 1 ? "One text is" : `${counts.admitted} texts are`} stored. `, link("corpora", "Corpora")];
  }
  if (inbox_pending > 0) return [`${inbox_pending === 1 ? "One file is" : `${inbox_pending} files are`} being read.`];
  const missing = "Missing: a text. Drop a file anywhere on this page: a book, notes, mail, a table or a chat. ";
  if (counts.rejected > 0) return ["No file could be used so far; each says why, and what helps. ", link("corpora", "Corpora")];
  return [missing, link("corpora", "Corpora")];
}

function training({ run, models }, hasText) {
  if (run) {
    const share = run.total_steps ? percent(run.step / run.total_steps, 0) : "preparing";
    const left = run.remaining_seconds != null ? `, ${duration(run.remaining_seconds)} left` : "";
    return [`${run.id}: ${share}${left}. `, link("training", "Training")];
  }
  if (!hasText) return ["Missing: the text. Training begins by itself when no more files arrive."];
  const failed = models.find((model) => model.state === "failed");
  if (failed) return [`${failed.name}: ${failed.reason ?? "training failed"}. `, link("training", "Training")];
  return [models.map((model) => `${model.name}: ${model.reason ?? model.state}`).join("; ") + ". ", link("training", "Training")];
}
