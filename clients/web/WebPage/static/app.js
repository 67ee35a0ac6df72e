// The frame around the pages: navigation, theme and service status.

import * as chat from "./chat.js";
import * as corpora from "./corpora.js";
import { $, announce } from "./dom.js";
import * as fill from "./fill.js";
import * as first from "./first.js";
import { duration, percent } from "./format.js";
import * as live from "./live.js";
import * as models from "./models.js";
import { load, save } from "./store.js";
import * as surprise from "./surprise.js";
import * as token from "./token.js";
import * as training from "./training.js";

const pages = { chat, fill, surprise, training, models, corpora };

function show() {
  token.takeFromAddress();
  const asked = location.hash.slice(1);
  const name = asked in pages ? asked : load("page", "chat");
  save("page", name);
  for (const page of Object.keys(pages)) $(`page-${page}`).hidden = page !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  pages[name].shown?.();
  title();
}

function theme(chosen) {
  const dark = chosen === "dark" || (!chosen && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  const other = dark ? "light" : "dark";
  $("theme-button").setAttribute("aria-label", `Switch to the ${other} theme`);
  $("theme-button").title = `Switch to the ${other} theme`;
  $("theme-button").onclick = () => {
    save("theme", other);
    theme(other);
  };
}

function title() {
  const run = live.state.status?.run;
  const page = $(`page-${load("page", "chat")}`)?.querySelector("h1").textContent;
  const share = run?.total_steps ? `${Math.floor((run.step / run.total_steps) * 100)} % · ` : "";
  document.title = `${share}${page} · KantaiBERT`;
}

function service({ up, message, version }) {
  const { dataset } = $("service");
  if (up === false && dataset.state !== "down") announce(`The service is not available. ${message}`);
  if (up && dataset.state === "down") announce("The service is available again.");
  dataset.state = up ? "up" : up === false ? "down" : "";
  $("service").querySelector(".service-text").textContent =
    up ? `running${version ? ` · ${version}` : ""}` : up === false ? "not available" : "connecting";
  $("away").hidden = up !== false;
  $("away").textContent = up === false ? `The service is not available: ${(message ?? "").replace(/\.$/, "")}. Reconnecting automatically.` : "";
}

function pulse({ run, queued }) {
  const element = $("pulse-run");
  element.hidden = !run;
  if (run) {
    const share = run.total_steps ? run.step / run.total_steps : 0;
    element.querySelector(".pulse-name").textContent = run.id;
    element.querySelector(".pulse-share").textContent = run.total_steps ? percent(share, 0) : "preparing";
    element.querySelector("progress").value = share;
    element.querySelector(".pulse-left").textContent =
      run.remaining_seconds != null ? `${duration(run.remaining_seconds)} left` : "";
  }
  title();
}

token.takeFromAddress();
theme(load("theme"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => load("theme") ?? theme());
live.on("service", service);
live.on("status", pulse);
token.start();
first.start();
for (const page of Object.values(pages)) page.start();
addEventListener("hashchange", () => {
  show();
  $("main").focus({ preventScroll: true });
  scrollTo(0, 0);
});
show();
live.start();
