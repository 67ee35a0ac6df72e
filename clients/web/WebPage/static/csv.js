// Saves files that the page makes.

/** The columns of `kbctl metrics --csv`, with the names that the steps and evaluations have here. */
const STEP = ["step", "epoch", "loss", "learning_rate", "gradient_norm", "tokens", "tokens_per_second", "mfu", "time"];
const EVALUATION = { held_out_loss: "loss", perplexity: "perplexity", accuracy: "accuracy", bits_per_byte: "bits_per_byte" };

/** Saves the steps of a run, with the held-out results on the steps that were evaluated. */
export function saveCSV(run, { steps, evaluations }) {
  const held = new Map(evaluations.map((one) => [one.step, one]));
  const rows = steps.map((step) => [
    ...STEP.map((name) => step[name]), ...Object.values(EVALUATION).map((name) => held.get(step.step)?.[name]),
  ].map((value) => value ?? "").join(","));
  const header = [...STEP, ...Object.keys(EVALUATION)].join(",");
  saveAs(`${run}.csv`, new Blob([[header, ...rows].join("\n") + "\n"], { type: "text/csv" }));
}

export function saveAs(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has opened it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
