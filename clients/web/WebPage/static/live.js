// The live state of the service: one event stream, one status, and their subscribers.

import { get } from "./api.js";
import { askForKey } from "./token.js";

export const state = {
  /** `up` is undefined until the first message. */
  service: { up: undefined, message: "connecting" },
  /** The reply of GetStatus; its run is updated with each step. */
  status: undefined,
  /** Events other than steps, newest first. */
  recent: [],
};

const listeners = { service: [], status: [], recent: [], event: [], steps: [] };

/** kind: service, status, recent (all events), event (one), steps (several) */
export const on = (kind, listener) => listeners[kind].push(listener);
const tell = (kind, value) => listeners[kind].forEach((listener) => listener(value));

let source;
let retry;
let pending;

export function start() {
  connect();
  // Refreshes what no event reports, such as the time until the next training.
  setInterval(() => document.hidden || refresh(), 30_000);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
}

function connect() {
  clearTimeout(retry);
  source?.close();
  source = new EventSource("/api/events");
  const listen = (kind, take) => source.addEventListener(kind, (event) => take(JSON.parse(event.data)));
  listen("hello", (hello) => {
    state.recent = hello.recent.reverse();
    tell("recent", state.recent);
    service(hello.service);
  });
  listen("service", service);
  listen("event", (event) => {
    state.recent.unshift(event);
    state.recent.length = Math.min(state.recent.length, 200);
    tell("event", event);
    tell("recent", state.recent);
    soon();
  });
  listen("steps", (steps) => {
    const { run, fields } = steps.at(-1);
    if (state.status?.run?.id === run) {
      for (const key of ["step", "total_steps", "epoch", "loss", "tokens_per_second", "remaining_seconds"]) {
        state.status.run[key] = fields[key];
      }
      tell("status", state.status);
    } else soon();
    tell("steps", steps);
  });
  source.onerror = () => {
    service({ up: false, message: "The web server (kantaibert-web) is not responding." });
    // The browser reconnects by itself, but not after a response that was not an event stream.
    if (source.readyState !== EventSource.CLOSED) return;
    askForKey().catch(() => false).then((isGiven) => {
      clearTimeout(retry);
      retry = setTimeout(connect, isGiven ? 0 : 3000);
    });
  };
}

function service(service) {
  state.service = service;
  tell("service", service);
  if (service.up) refresh();
}

function soon() {
  pending ??= setTimeout(refresh, 250);
}

export async function refresh() {
  clearTimeout(pending);
  pending = undefined;
  if (!state.service.up) return;
  try {
    state.status = await get("/api/status");
    tell("status", state.status);
  } catch {
    // The event stream reports that the service is not available.
  }
}

/** The first model of an objective that serves, which a request without a model's name should go to. */
export const serving = (objective) =>
  state.status?.models.find((model) => model.objective === objective && model.generation)?.name;

/** Enables a button while a model of an objective can answer, and says elsewhere what is missing. */
export function enable(objective, button, note) {
  const missing = state.status && !serving(objective);
  button.disabled = state.service.up === false || Boolean(missing);
  note.hidden = !missing;
  const model = missing && state.status.models.find((model) => model.objective === objective);
  const does = objective === "mlm" ? "fills masks" : "continues text";
  note.textContent = model ? `${model.name} cannot answer yet: ${model.reason ?? model.state}`
    : `No model that ${does} is configured (objective: ${objective}).`;
}

/** The models of an objective (`mlm`, `clm`) as options; those without a generation are marked. */
export const models = (objective) =>
  (state.status?.models ?? []).filter((model) => !objective || model.objective === objective)
    .map((model) => [model.name, objective && !model.generation ? `${model.name} (not trained yet)` : model.name]);
