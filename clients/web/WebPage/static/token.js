// The secret required by requests that make changes. It is part of the link (#token=…) or is entered once.

import { $ } from "./dom.js";
import { load, save } from "./store.js";

let answer;
/** Whether queries require a key, too. */
let requiresKey = false;

/** Removes the token from the URL, so that it does not remain in the browser's history. */
export function takeFromAddress() {
  const found = /^#token=([^&]+)$/.exec(location.hash);
  if (!found) return;
  save("token", decodeURIComponent(found[1]));
  history.replaceState(null, "", `${location.pathname}#${load("page", "chat")}`);
}

/** Resolves to true when a valid token was entered. */
export function askForToken(why) {
  const dialog = $("token-dialog");
  $("token-text").textContent = why
    ? `${why} requires the token.`
    : requiresKey ? "This server requires a key. Changes require the token, or an administrator’s key."
      : "Anyone who can open this page can query the models. Changes require the token.";
  $("token-problem").hidden = true;
  $("token-forget").hidden = !load("token");
  $("token-input").value = "";
  if (!dialog.open) dialog.showModal();
  $("token-input").focus();
  return new Promise((resolve) => (answer = resolve));
}

function close(isGiven) {
  $("token-dialog").close();
  show();
  answer?.(isGiven);
  answer = undefined;
}

function show() {
  const known = Boolean(load("token"));
  $("token-button").classList.toggle("on", known);
  $("token-button").setAttribute("aria-label", known ? "Token: entered" : "Token: not entered");
  $("token-button").title = known ? "Token entered: changes are allowed" : "Read-only: enter the token to make changes";
}

async function check() {
  const token = $("token-input").value.trim();
  const response = await session(token).catch(() => undefined);
  if (response?.ok) {
    const { may_change: mayChange } = await response.json();
    if (mayChange) save("token", token);
    if (mayChange || requiresKey) return close(true);
  }
  $("token-problem").textContent = response ? `The ${requiresKey ? "key" : "token"} is wrong.`
    : "The web server (kantaibert-web) is not responding.";
  $("token-problem").hidden = false;
  $("token-input").select();
}

/** If the server requires a key, it sets a cookie that contains it. */
const session = (key) => fetch("/api/session", { method: "POST", headers: { authorization: `Bearer ${key}` } });

/** Asks for the key if the server requires one that the browser does not have. Resolves to true if it was entered. */
export async function askForKey() {
  const place = await (await fetch("/api/place")).json();
  requiresKey = place.requires_key;
  if (!requiresKey || $("token-dialog").open) return false;
  if (load("token") && (await session(load("token"))).ok) return true;
  return askForToken();
}

export function start() {
  fetch("/api/place").then((response) => response.json()).then((place) => {
    requiresKey = place.requires_key;
    if (!place.token_file) return;
    $("token-place").querySelector("code").textContent = place.token_file;
    $("token-place").hidden = false;
  }).catch(() => {});
  $("token-button").addEventListener("click", () => askForToken());
  $("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    check();
  });
  $("token-cancel").addEventListener("click", () => close(false));
  $("token-dialog").addEventListener("cancel", () => close(false));
  $("token-forget").addEventListener("click", () => {
    save("token", null);
    close(false);
  });
  show();
}
