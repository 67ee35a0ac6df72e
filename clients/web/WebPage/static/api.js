// Requests to the server of this page.

import { load } from "./store.js";
import { askForToken } from "./token.js";

/** An error with a `message` for users and a `code` for programs. */
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
    // Not an error of this server; only the status is known.
  }
  return new APIError(error.message ?? `The server replied with status ${response.status}.`, error.code, response.status);
}

async function request(path, init) {
  let response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new APIError("The web server (kantaibert-web) is not responding.", "unreachable", 0);
  }
  if (!response.ok) throw await failure(response);
  return response;
}

/** Not URLSearchParams, which encodes a space as a plus; the server decodes a plus as itself. */
export const queryText = (query) =>
  Object.entries(query).filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");

export const get = async (path, query = {}) => (await request(`${path}?${queryText(query)}`)).json();

/** Returns the response object, for streaming. */
export const ask = (path, body, signal) =>
  request(path, {
    method: "POST", signal, headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  });

/** Sends a request that makes changes. Asks for the token if it is missing or wrong; returns undefined on cancel. */
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

/** Returns the response to a request that requires the token, which is asked for like that of a change; undefined on cancel. */
export async function getWithToken(path, query, why) {
  while (true) {
    try {
      return await request(`${path}?${queryText(query)}`, { headers: { authorization: `Bearer ${load("token", "")}` } });
    } catch (error) {
      if (error.status !== 401 || !(await askForToken(why))) {
        if (error.status === 401) return undefined;
        throw error;
      }
    }
  }
}

/** Yields the data values of server-sent events in the response to a POST, until `[DONE]`. */
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
