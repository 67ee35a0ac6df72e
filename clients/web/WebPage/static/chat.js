// Streams the model's continuation of a text, or its reply to a conversation.

import { ask, events } from "./api.js";
import { $, announce, h, options, submitWithEnter } from "./dom.js";
import { enable, models, on, serving, state } from "./live.js";
import { keep, load, save } from "./store.js";
import { tracePanel } from "./trace.js";

const KEPT = 50;
const FIELDS = [
  ["temperature", "Temperature", "0 always picks the most likely token", { min: 0, max: 5, step: 0.05 }],
  ["top_p", "Top p", "sample from the most likely tokens whose probabilities sum to this", { min: 0.01, max: 1, step: 0.01 }],
  ["top_k", "Top k", "sample from this many of the most likely tokens; 0 uses all", { min: 0, step: 1 }],
  ["min_p", "Min p", "minimum probability relative to the most likely token", { min: 0, max: 1, step: 0.01 }],
  ["repetition_penalty", "Repetition penalty", "above 1 makes repeated tokens less likely", { min: 0.1, step: 0.05 }],
  ["max_tokens", "Max tokens", "generate at most this many", { min: 1, step: 1 }],
  ["seed", "Seed", "the same seed generates the same text; empty uses a random one", { step: 1 }],
  ["stop", "Stop string", "end before this text", {}],
];

/**
 * The answers shown: prompt, text, request, and when finished finish_reason, receipt, usage, seconds. The request of a reply
 * has messages. The replies shown of the same model are one conversation.
 */
let answers = load("chat", []);
let running;

export function start() {
  keep($("chat-prompt"), "chat.prompt");
  keep($("chat-model"), "chat.model");
  for (const [name, label, hint, limits] of FIELDS) {
    const id = `sampling-${name}`;
    const input = h("input", {
      id, name, type: name === "stop" ? "text" : "number", placeholder: name === "seed" ? "random" : "default",
      inputmode: name === "stop" ? "text" : "decimal", "aria-describedby": `${id}-hint`, ...limits,
    });
    keep(input, `sampling.${name}`);
    $("sampling-fields").append(
      h("div", { class: "field" }, h("label", { for: id }, label), input,
        h("small", { id: `${id}-hint`, class: "hint" }, hint)));
  }
  drawer(load("sampling.open", false));
  $("sampling-button").addEventListener("click", () => drawer($("sampling").hidden));
  $("sampling-reset").addEventListener("click", () => {
    for (const [name] of FIELDS) {
      $(`sampling-${name}`).value = "";
      save(`sampling.${name}`, null);
    }
    count();
  });
  $("sampling-fields").addEventListener("input", count);
  $("chat-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (running || $("generate").disabled) return;
    const body = request();
    if (body.messages?.at(-1).content.trim() === "") return;
    if (body.messages) clearPrompt();
    generate(body);
  });
  submitWithEnter($("chat-prompt"), $("chat-form"));
  $("chat-prompt").addEventListener("input", grow);
  $("chat-model").addEventListener("change", describe);
  $("stop").addEventListener("click", () => running?.abort());
  $("chat-clear").addEventListener("click", () => {
    answers = [];
    draw();
    $("chat-prompt").focus();
  });
  on("status", () => {
    options($("chat-model"), models("clm"), load("chat.model") ?? serving("clm"));
    describe();
    enable("clm", $("generate"), $("chat-waiting"));
  });
  on("service", () => enable("clm", $("generate"), $("chat-waiting")));
  count();
  draw();
}

export function shown() {
  grow();
  scrollTo(0, document.body.scrollHeight);
}

/** Whether the chosen model was trained on conversations, so that it replies to messages. */
const replies = () => state.status?.models.find(({ name }) => name === $("chat-model").value)?.conversations === true;

/** Says what the chosen model does with a text. */
function describe() {
  $("generate").textContent = replies() ? "Send" : "Generate";
  $("chat-prompt").placeholder = replies() ? "Write a message" : "I would like to assist";
  $("chat-lead").textContent = replies() ? "Write a message, and the model replies." : "Start a text, and the model continues it.";
  $("chat-hint").textContent = replies()
    ? "It replies in the manner of the conversations it was trained on, and reads as much of this one as it can. Clear starts a new one."
    : "It writes in the manner of the texts it was trained on; it does not answer questions. Use the seed shown under each answer to generate the same text again.";
}

/** The messages of the conversation so far. */
function conversation(model) {
  const said = answers.filter(({ request, text, problem, original }) =>
    request.messages && request.model === model && text && !problem && original === undefined);
  return said.flatMap(({ prompt, text }) => [{ role: "user", content: prompt }, { role: "assistant", content: text }]);
}

function clearPrompt() {
  $("chat-prompt").value = "";
  save("chat.prompt", "");
  grow();
}

/** Adjusts the height of the text field to its text, up to a third of the window. */
function grow() {
  const field = $("chat-prompt");
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight + 2, innerHeight / 3)}px`;
}

function drawer(isOpen) {
  $("sampling").hidden = !isOpen;
  $("sampling-button").setAttribute("aria-expanded", isOpen);
  save("sampling.open", isOpen);
}

function count() {
  const set = FIELDS.filter(([name]) => $(`sampling-${name}`).value !== "").length;
  $("sampling-button").textContent = set ? `Sampling · ${set}` : "Sampling";
}

function request() {
  const body = {};
  if ($("chat-model").value) body.model = $("chat-model").value;
  if (replies()) body.messages = [...conversation(body.model), { role: "user", content: $("chat-prompt").value }];
  else body.prompt = $("chat-prompt").value || $("chat-prompt").placeholder;
  for (const [name] of FIELDS) {
    const { value } = $(`sampling-${name}`);
    if (value !== "") body[name] = name === "stop" ? value : Number(value);
  }
  return body;
}

/** - original: the answer to generate again, to compare the result with */
async function generate(body, original) {
  const prompt = body.messages ? body.messages.at(-1).content : body.prompt;
  const answer = { prompt, request: body, text: "", original: original?.text };
  answers.push(answer);
  const view = new AnswerView(answer);
  $("chat-log").append(view.element);
  $("chat-empty").hidden = true;
  busy(new AbortController());
  const began = performance.now();
  view.scroll(true);
  try {
    const response = await ask(
      body.messages ? "/v1/chat/completions" : "/v1/completions", { ...body, stream: true, stream_options: { include_usage: true } }, running.signal);
    for await (const piece of events(response)) {
      if (piece.error) throw new Error(piece.error.message);
      if (piece.usage) answer.usage = piece.usage;
      for (const choice of piece.choices ?? []) {
        answer.text += choice.text ?? choice.delta?.content ?? "";
        if (choice.omitted_messages) answer.omitted = choice.omitted_messages;
        if (choice.finish_reason) answer.finish = choice.finish_reason;
        if (choice.receipt) answer.receipt = choice.receipt;
      }
      view.text();
    }
  } catch (error) {
    if (error.name === "AbortError") answer.finish = "stopped";
    else answer.problem = error.message;
  }
  answer.seconds = (performance.now() - began) / 1000;
  busy(undefined);
  view.finish();
  view.scroll();
  answers = answers.slice(-KEPT);
  keepAnswers();
  announce(answer.problem ?? (answer.finish === "stopped" ? "Stopped." : `Generated: ${answer.text}`));
}

function busy(controller) {
  const hadFocus = [$("generate"), $("stop")].includes(document.activeElement);
  running = controller;
  $("generate").hidden = Boolean(controller);
  $("stop").hidden = !controller;
  $("chat-clear").hidden = Boolean(controller) || answers.length === 0;
  if (hadFocus) $(controller ? "stop" : "generate").focus();
}

const keepAnswers = () => save("chat", answers);

function draw() {
  $("chat-log").replaceChildren(...answers.map((answer) => {
    const view = new AnswerView(answer);
    view.finish();
    return view.element;
  }));
  $("chat-empty").hidden = answers.length > 0;
  $("chat-clear").hidden = answers.length === 0;
  keepAnswers();
}

class AnswerView {
  constructor(answer) {
    this.answer = answer;
    this.made = h("span", { class: "made" }, answer.text);
    this.caret = h("span", { class: "caret", "aria-hidden": "true" });
    this.foot = h("footer");
    this.element = h("article", { class: "answer", "aria-busy": "true" },
      ...(answer.request.messages
        ? [h("p", { class: "prose said" }, answer.prompt), h("p", { class: "prose" }, this.made, this.caret)]
        : [h("p", { class: "prose" }, h("span", { class: "begun" }, answer.prompt), this.made, this.caret)]), this.foot);
  }

  text() {
    this.made.textContent = this.answer.text;
    this.scroll();
  }

  /** Scrolls along with the text if its end is visible. */
  scroll(always) {
    const page = document.scrollingElement;
    const isNear = page.scrollHeight - page.scrollTop - innerHeight < 240;
    if (!$("page-chat").hidden && (always || isNear)) page.scrollTop = page.scrollHeight;
  }

  finish() {
    const { answer } = this;
    this.element.removeAttribute("aria-busy");
    this.caret.remove();
    this.made.textContent = answer.text;
    const buttons = [];
    if (answer.receipt) {
      buttons.push(this.button("Replay", () => running || this.replay()));
      if (!answer.request.messages) buttons.push(this.button("Continue", () => running || this.goOn()));
    } else if (!running) buttons.push(this.button("Try again", () => running || generate(answer.request)));
    const trace = answer.receipt && answer.text && tracePanel(answer.text, answer.receipt.model);
    if (trace) buttons.push(this.button("Where from?", trace.toggle));
    if (answer.text) buttons.push(this.button("Copy", (event) => this.copy(event.target)));
    this.foot.replaceChildren(
      ...(answer.problem ? [h("p", { class: "problem" }, answer.problem)] : []),
      h("p", { class: "receipt" }, ...this.receipt()), h("span", { class: "buttons" }, ...buttons));
    this.element.querySelector(".trace")?.remove();
    if (trace) this.element.append(trace.panel);
  }

  button = (text, onclick) => h("button", { class: "link", type: "button", onclick }, text);

  receipt() {
    const { receipt, usage, finish, seconds, original, text, omitted } = this.answer;
    if (finish === "stopped") return [h("span", {}, "stopped by you")];
    if (!receipt) return [];
    const why = { stop: "complete", length: "stopped at the token limit" };
    const rate = usage && seconds ? `${Math.round(usage.completion_tokens / seconds)} tokens/s` : undefined;
    const same = original === undefined ? undefined
      : original === text ? h("span", { class: "badge good" }, "the same text")
      : h("span", { class: "badge warn" }, "different text: another generation is serving now");
    return [
      h("span", { class: "mono" }, `${receipt.model} ${receipt.generation}`),
      h("span", { class: "mono", title: `SHA-256 of the model: ${receipt.model_sha256}` }, `seed ${receipt.seed}`),
      usage && h("span", {}, `${usage.completion_tokens} tokens`), h("span", {}, why[finish] ?? finish),
      rate && h("span", {}, rate), omitted && h("span", {}, `the oldest ${omitted} messages were too long to read`), same,
    ].filter(Boolean);
  }

  replay() {
    const { receipt, request } = this.answer;
    generate({ ...request, model: receipt.model, seed: receipt.seed }, this.answer);
  }

  goOn() {
    const { receipt, request, prompt, text } = this.answer;
    generate({ ...request, model: receipt.model, prompt: prompt + text });
  }

  async copy(button) {
    const { prompt, text, request } = this.answer;
    await navigator.clipboard?.writeText(request.messages ? text : prompt + text);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  }
}
