// Lists received corpora, shows and removes them, and uploads files into the inbox.

import { change, failure, get, getWithToken, queryText } from "./api.js";
import { $, announce, h, options, replace } from "./dom.js";
import { bytes, moment, number } from "./format.js";
import { models, on } from "./live.js";
import { load, save } from "./store.js";
import { askForToken } from "./token.js";

const FILTERS = [["", "All"], ["admitted", "Admitted"], ["rejected", "Rejected"], ["duplicate", "Duplicates"],
  ["removed", "Removed"], ["set_aside", "Set aside"]];

const PAGE = 200;

/** The corpora loaded so far, newest first. */
let corpora = [];
/** Cursor of the next page; null if there is none. */
let next = null;
/** Number of all corpora, by state. */
let counts = {};
let latest = 0;
let filter = load("corpora.filter", "");
let limit = Infinity;
/** The beginnings of corpora that are shown, by SHA-256. */
const previews = new Map();

export function start() {
  get("/api/place").then((place) => {
    limit = place.upload_limit;
    $("drop-hint").textContent = `Files are added to the inbox; at most ${bytes(limit)} each.`;
  }).catch(() => {});
  $("choose").addEventListener("click", () => $("files").click());
  $("files").addEventListener("change", () => {
    send([...$("files").files]);
    $("files").value = "";
  });
  $("corpora-more").addEventListener("click", loadMore);
  dropping();
  on("status", () => options($("drop-model"), [["", "all models"], ...models().map(([name]) => [name, `only ${name}`])]));
  on("service", ({ up }) => up && loadAll());
  on("event", ({ kind }) => kind.startsWith("corpus_") && loadAll());
}

export const shown = () => loadAll();

/** Accepts files dropped anywhere on the page, and highlights the drop area. */
function dropping() {
  const isFile = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    location.hash = "#corpora";
    $("drop").classList.add("over");
  });
  addEventListener("dragleave", (event) => event.relatedTarget === null && $("drop").classList.remove("over"));
  addEventListener("drop", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    $("drop").classList.remove("over");
    send([...event.dataTransfer.files]);
  });
}

async function send(files) {
  if (!load("token") && !(await askForToken("Uploading files"))) return;
  // One at a time: the server limits concurrent uploads.
  for (const file of files) await new Upload(file, $("drop-model").value).send();
}

class Upload {
  constructor(file, model) {
    this.file = file;
    this.model = model;
    this.bar = h("progress", { max: 1, value: 0, "aria-label": file.name });
    this.word = h("span", { class: "hint" }, "waiting");
    this.item = h("li", {}, h("span", { class: "name" }, file.name), this.bar, this.word);
    $("uploads").prepend(this.item);
  }

  async send() {
    if (this.file.size > limit) return this.end("bad", `too large: ${bytes(this.file.size)}, the limit is ${bytes(limit)}`);
    try {
      let response = await this.post();
      if (response.status === 401 && (await askForToken("Uploading files"))) response = await this.post();
      if (!response.ok) throw await failure(response);
      const { name } = await response.json();
      this.end("good", name === this.file.name ? "added to the inbox" : `added to the inbox as ${name}`);
    } catch (error) {
      this.end("bad", error.message);
    }
  }

  /** Uses XMLHttpRequest, because fetch does not report upload progress. */
  post() {
    const query = queryText({ name: this.file.name, model: this.model || undefined });
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", `/api/inbox?${query}`);
      request.setRequestHeader("authorization", `Bearer ${load("token", "")}`);
      request.setRequestHeader("content-type", "application/octet-stream");
      request.upload.onprogress = ({ loaded, total }) => {
        this.bar.value = total ? loaded / total : 0;
        this.word.textContent = `${bytes(loaded)} of ${bytes(total)}`;
      };
      request.onload = () => resolve(new Response(request.status === 204 ? null : request.response, { status: request.status }));
      request.onerror = () => reject(new Error("the connection was lost"));
      request.send(this.file);
    });
  }

  end(kind, text) {
    this.bar.remove();
    this.word.textContent = text;
    this.item.className = kind;
    announce(`${this.file.name} ${text}`);
  }
}

/** Reloads the first page of the selected state. Further pages must be requested again. */
async function loadAll() {
  const mine = ++latest;
  try {
    const reply = await page();
    // Events arrive in bursts: a response to an older request is out of date.
    if (mine !== latest) return;
    ({ corpora, next, counts } = { counts: {}, ...reply });
  } catch {
    // Keep the previous data.
  }
  draw();
}

async function loadMore() {
  const mine = ++latest;
  try {
    const reply = await page(next);
    if (mine !== latest) return;
    corpora.push(...reply.corpora);
    next = reply.next;
  } catch (error) {
    announce(error.message);
  }
  draw();
}

const page = (after) =>
  get("/api/corpora", { state: filter || undefined, limit: PAGE, after, newest_first: true });

const STATES = { admitted: "good", rejected: "bad", duplicate: "warn", set_aside: "bad" };

function draw() {
  const all = Object.values(counts ?? {}).reduce((sum, count) => sum + count, 0);
  replace($("corpora-filter"), FILTERS.map(([state, name]) =>
    h("button", { type: "button", class: "tab", "data-state": state, "aria-pressed": String(state === filter) },
      `${name} ${state ? counts?.[state] ?? 0 : all}`)));
  for (const button of $("corpora-filter").children) {
    button.onclick = async () => {
      filter = button.dataset.state;
      save("corpora.filter", filter);
      await loadAll();
      [...$("corpora-filter").children].find((other) => other.dataset.state === filter).focus();
    };
  }
  $("corpora-empty").hidden = corpora.length > 0;
  $("corpora-more").hidden = !next;
  replace($("corpora"), corpora.flatMap((one) => [h("tr", { role: "row", class: previews.has(one.sha256) && isStored(one) && "open" },
    h("th", { role: "rowheader", scope: "row", title: one.sha256 && `SHA-256 ${one.sha256}` }, h("span", { class: "name" }, one.name),
      one.format && h("span", { class: "reason" }, [one.format, one.encoding].filter(Boolean).join(", "))),
    h("td", { role: "cell" }, h("span", { class: `badge ${STATES[one.state] ?? ""}` }, STATE_NAMES[one.state] ?? one.state),
      one.reason && h("span", { class: "reason" }, one.reason),
      ...(one.warnings ?? []).map((warning) => h("span", { class: "reason warn" }, warning)),
      REMEDIES[one.state] && h("span", { class: "reason" }, REMEDIES[one.state])),
    h("td", { role: "cell", class: "num", "data-label": "Size" }, bytes(one.bytes)),
    h("td", { role: "cell", class: "num", "data-label": "Documents" }, number(one.documents)),
    h("td", { role: "cell", class: "wrap", "data-label": "Models" }, one.models.join(", ") || "–"),
    h("td", { role: "cell", "data-label": "Received" }, moment(one.received)),
    h("td", { role: "cell", class: "do" }, isStored(one) && h("div", { class: "row" },
      action(one, "show", previews.has(one.sha256) ? "Hide" : "Show"), action(one, "remove", "Remove")))),
    ...(previews.has(one.sha256) && isStored(one) ? [preview(one)] : [])]));
  for (const button of $("corpora").querySelectorAll("button[data-do]")) {
    const one = corpora.find(({ sha256 }) => sha256 === button.dataset.sha256);
    button.onclick = () => (button.dataset.do === "show" ? show(one) : remove(one));
  }
}

const STATE_NAMES = { set_aside: "set aside" };
const REMEDIES = {
  rejected: "The file is in inbox/.rejected. Correct it, or convert it to a format that can be read, and drop it again.",
  removed: "To use it again, drop the same file once more.",
};

/** Whether the text is stored and may be used. A duplicate has the text of another row. */
const isStored = (one) => one.state === "admitted" || one.state === "set_aside";

const action = (one, name, text) => h("button", {
  class: "quiet", type: "button", "data-do": name, "data-sha256": one.sha256 }, text, h("span", { class: "sr" }, `: ${one.name}`));

const preview = ({ sha256 }) => {
  const { text, bytes: all } = previews.get(sha256);
  const isWhole = new TextEncoder().encode(text).length >= all;
  return h("tr", { role: "row" }, h("td", { role: "cell", class: "preview", colspan: 7 }, h("pre", { tabindex: 0, role: "region", "aria-label": "Beginning of the text" }, text),
    h("span", { class: "reason" }, isWhole ? "This is the whole text, as it was stored." : `The beginning of ${bytes(all)}, as it was stored.`)));
};

/** Shows the beginning of a text, or hides it. */
async function show({ sha256 }) {
  if (!previews.delete(sha256)) {
    try {
      const response = await getWithToken("/api/corpus", { sha256 }, "Showing a text");
      if (response) previews.set(sha256, await response.json());
    } catch (error) {
      problem(error);
    }
  }
  draw();
}

async function remove(one) {
  const text = `Remove ${one.name}? No later training run uses its text, and it is deleted. Models that were trained on it stay as they are.`;
  if (!confirm(text)) return;
  try {
    if (!(await change("/api/remove", { sha256: one.sha256 }, "Removing a text"))) return;
    announce(`${one.name} was removed.`);
    previews.delete(one.sha256);
    await loadAll();
  } catch (error) {
    problem(error);
  }
}

function problem(error) {
  announce(error.message);
  $("uploads").prepend(h("li", { class: "bad" }, h("span", { class: "hint" }, error.message)));
}
