// The secret that calls which change something carry. It comes with the link (#token=…), or is typed once.

import { $ } from "./dom.js";
import { load, save } from "./store.js";

let answer;

/** Takes the token out of the address, so that it stays in no history. */
export function takeFromAddress() {
  const found = /^#token=([^&]+)$/.exec(location.hash);
  if (!found) return;
  save("token", decodeURIComponent(found[1]));
  history.replaceState(null, "", `${location.pathname}#${load("page", "chat")}`);
}

/** True where a token that is right has been given. */
export function askForToken(why) {
  const dialog = $("token-dialog");
  $("token-text").textContent = why
    ? `${why} needs the token.`
    : "Whoever can open this page may ask. What changes something needs the token.";
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
  $("token-button").setAttribute("aria-label", known ? "Token: known" : "Token: not known");
  $("token-button").title = known ? "The token is known: you may change things" : "Without the token you may ask and look";
}

async function check() {
  const token = $("token-input").value.trim();
  const response = await fetch("/api/token", { method: "POST", headers: { authorization: `Bearer ${token}` } })
    .catch(() => undefined);
  if (response?.ok) {
    save("token", token);
    return close(true);
  }
  $("token-problem").textContent = response ? "That is not the token." : "The page’s server does not answer.";
  $("token-problem").hidden = false;
  $("token-input").select();
}

export function start() {
  fetch("/api/place").then((response) => response.json()).then((place) => {
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
