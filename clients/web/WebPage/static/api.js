// Requests to the server this page came from.

import { load } from "./store.js";
import { askForToken } from "./token.js";

/** `message` is a sentence for people, `code` a word for programs. */
export class APIError extends Error {
  constructor(message, code, status) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export async function failure(response) {
  let error = {};
  try {
    error = (await response.json()).error ?? {};
  } catch {
    // Not ours: the status has to do.
  }
  return new APIError(error.message ?? `The server says ${response.status}.`, error.code, response.status);
}

async function request(path, init) {
  let response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new APIError("The page’s server does not answer.", "unreachable", 0);
  }
  if (!response.ok) throw await failure(response);
  return response;
}

/** Not URLSearchParams: it writes a space as a plus, which is a plus in an address. */
export const queryText = (query) =>
  Object.entries(query).filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");

export const get = async (path, query = {}) => (await request(`${path}?${queryText(query)}`)).json();

/** The response itself, for a stream. */
export const ask = (path, body, signal) =>
  request(path, {
    method: "POST", signal, headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  });

/** Something that changes something. Asks for the token where it is missing or wrong; undefined where it is not given. */
export async function change(path, body, why) {
  while (true) {
    try {
      const response = await request(path, {
        method: "POST", body: JSON.stringify(body),
        headers: { "content-type": "application/json", authorization: `Bearer ${load("token", "")}` },
      });
      return response.status === 204 ? {} : await response.json();
    } catch (error) {
      if (error.status !== 401 || !(await askForToken(why))) {
        if (error.status === 401) return undefined;
        throw error;
      }
    }
  }
}

/** A stream of server-sent events that answers a POST; the values of its data, until `[DONE]`. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (true) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const frame = text.slice(0, end);
      text = text.slice(end + 2);
      const data = frame.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
      if (data === "[DONE]") return;
      if (data) yield JSON.parse(data);
    }
  }
}
