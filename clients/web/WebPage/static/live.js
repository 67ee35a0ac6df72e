// What the service is doing, as it happens: one stream of events, one status, and who wants to know.

import { get } from "./api.js";

export const state = {
  /** `up` is undefined until the first word. */
  service: { up: undefined, message: "connecting" },
  /** GetStatus, its run kept up to date by the steps. */
  status: undefined,
  /** Events that are no steps, newest first. */
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
  // What no event tells of, such as a schedule that has come nearer.
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
    service({ up: false, message: "The page’s server does not answer." });
    // The browser tries again by itself, but not after an answer that was no stream.
    if (source.readyState === EventSource.CLOSED) retry = setTimeout(connect, 3000);
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
    // The stream says it when the service is away.
  }
}

/** The names of the models of an objective (`mlm`, `clm`), as choices; those that cannot answer yet say so. */
export const models = (objective) =>
  (state.status?.models ?? []).filter((model) => !objective || model.objective === objective)
    .map((model) => [model.name, objective && !model.generation ? `${model.name} (not yet)` : model.name]);
