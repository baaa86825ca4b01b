// The conversation: kept in this browser, sent as a whole with every question.
import { events, key, request } from "./api.js";
import { markdown } from "./markdown.js";

const $ = id => document.getElementById(id);
const SETTINGS = ["temperature", "top_p", "max_tokens", "seed", "thinking", "system"];

let messages = load("fathom.messages", []);
let abort = null;
let model = null;

function load(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function save() {
  localStorage.setItem("fathom.messages", JSON.stringify(messages.filter(message => !message.pending)));
}

// Drawing

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function button(text, action) {
  return element("button", { type: "button", textContent: text, onclick: action });
}

function thinkingLabel(message) {
  if (message.pending && !message.content) return "Thinking …";
  const seconds = message.thinkingSeconds ?? 0;
  const time = seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  const tokens = message.reasoningTokens ? `, ${message.reasoningTokens} tokens` : "";
  return `Thought for ${time}${tokens}${message.thinkingCut ? ", cut off" : ""}`;
}

function draw(message, index) {
  const article = element("article", { className: message.role });
  article.append(element("h2", { textContent: message.role === "user" ? "You" : "Model" }));
  if (message.reasoning) {
    const thinking = element("details", { className: "thinking", open: message.open ?? false },
      element("summary", { textContent: thinkingLabel(message) }),
      element("div", { className: "thoughts", textContent: message.reasoning }));
    thinking.addEventListener("toggle", () => { message.open = thinking.open; });
    article.append(thinking);
  }
  const body = element("div", { className: "body" });
  if (message.role === "user") body.textContent = message.content;
  else body.innerHTML = markdown(message.content || "");
  article.append(body);
  if (message.note) article.append(element("p", { className: "dim small", textContent: message.note }));
  if (!message.pending) {
    const actions = element("div", { className: "actions" });
    actions.append(button("Copy", event => copy(message.content, event.target)));
    if (message.role === "assistant" && index === messages.length - 1) actions.append(button("Again", again));
    if (message.tokens) actions.append(element("span", { className: "dim small", textContent: message.tokens }));
    article.append(actions);
  }
  return article;
}

function drawAll() {
  const list = $("messages");
  list.replaceChildren(...messages.map(draw));
  if (messages.length === 0) {
    list.append(element("div", { className: "welcome" },
      element("h2", { textContent: "What shall we think about?" }),
      element("p", { className: "dim", textContent: "Thinking is shown before the answer and can be unfolded. Enter sends, Shift+Enter begins a new line, Escape stops." })));
  }
  $("scroll").scrollTop = $("scroll").scrollHeight;
}

let frame = 0;
function drawLast() {
  if (frame) return;
  frame = requestAnimationFrame(() => {
    frame = 0;
    const scroll = $("scroll");
    const follows = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 120;
    $("messages").lastElementChild?.replaceWith(draw(messages.at(-1), messages.length - 1));
    if (follows) scroll.scrollTop = scroll.scrollHeight;
  });
}

async function copy(text, where) {
  await navigator.clipboard.writeText(text);
  where.textContent = "Copied";
  setTimeout(() => { where.textContent = "Copy"; }, 1500);
}

function busy(is) {
  $("send").classList.toggle("hidden", is);
  $("stop").classList.toggle("hidden", !is);
  $("status").textContent = is ? "The model is answering." : "The answer is complete.";
}

function fail(error) {
  $("error").textContent = error?.message ?? "";
  $("error").classList.toggle("hidden", !error);
  if (error?.status === 401) showSettings(true);
}

// Asking

function body() {
  const number = id => ($(id).value === "" ? undefined : Number($(id).value));
  const thinking = $("thinking").value;
  const system = $("system").value.trim();
  return {
    model,
    messages: [
      ...(system ? [{ role: "system", content: system }] : []),
      ...messages.filter(message => !message.pending).map(({ role, content }) => ({ role, content })),
    ],
    stream: true,
    stream_options: { include_usage: true },
    temperature: number("temperature"),
    top_p: number("top_p"),
    max_tokens: number("max_tokens"),
    seed: number("seed"),
    reasoning_effort: thinking || undefined,
  };
}

async function answer() {
  fail(null);
  const asked = body();
  const message = { role: "assistant", content: "", reasoning: "", pending: true, open: true };
  messages.push(message);
  drawAll();
  busy(true);
  abort = new AbortController();
  const begun = performance.now();
  let finish = null;
  try {
    const response = await request("/v1/chat/completions", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(asked), signal: abort.signal,
    });
    for await (const event of events(response)) {
      const choice = event.choices[0];
      if (choice?.delta.reasoning_content) {
        message.reasoning += choice.delta.reasoning_content;
        message.thinkingSeconds = (performance.now() - begun) / 1000;
      }
      if (choice?.delta.content) {
        if (!message.content && message.reasoning) message.open = false;
        message.content += choice.delta.content;
      }
      finish = choice?.finish_reason ?? finish;
      if (event.usage) {
        const seconds = (performance.now() - begun) / 1000;
        message.reasoningTokens = event.usage.completion_tokens_details.reasoning_tokens;
        message.tokens = `${event.usage.completion_tokens} tokens, ${(event.usage.completion_tokens / seconds).toFixed(1)} per second`;
      }
      drawLast();
    }
    message.thinkingCut = finish === "length" && !message.content;
    if (finish === "length") message.note = "The answer reached its longest length and was cut off.";
  } catch (error) {
    if (error.name === "AbortError") message.note = "Stopped.";
    else {
      fail(error);
      if (message.content || message.reasoning) message.note = "The answer is not complete.";
      else messages.pop();
    }
  } finally {
    message.pending = false;
    abort = null;
    busy(false);
    save();
    if (frame) { cancelAnimationFrame(frame); frame = 0; }
    drawAll();
    $("text").focus();
  }
}

function again() {
  if (abort) return;
  while (messages.at(-1)?.role === "assistant") messages.pop();
  answer();
}

function send(event) {
  event?.preventDefault();
  const text = $("text").value.trim();
  if (!text || abort) return;
  messages.push({ role: "user", content: text });
  $("text").value = "";
  grow();
  save();
  answer();
}

function grow() {
  const text = $("text");
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
}

function showSettings(show) {
  $("settings").classList.toggle("hidden", !show);
  $("settings-toggle").setAttribute("aria-expanded", String(show));
}

async function hello() {
  try {
    const [served] = (await (await request("/v1/models")).json()).data;
    model = served.id;
    $("model").textContent = `${served.id} · ${served.context_length.toLocaleString("en")} tokens of context`;
    fail(null);
  } catch (error) {
    $("model").textContent = "";
    fail(error);
    if (error.status === 503) setTimeout(hello, 1000);
  }
}

$("ask").addEventListener("submit", send);
$("stop").addEventListener("click", () => abort?.abort());
$("text").addEventListener("input", grow);
$("text").addEventListener("keydown", event => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
});
addEventListener("keydown", event => { if (event.key === "Escape") abort?.abort(); });
$("new").addEventListener("click", () => { abort?.abort(); messages = []; save(); fail(null); drawAll(); $("text").focus(); });
$("settings-toggle").addEventListener("click", () => showSettings($("settings").classList.contains("hidden")));
const kept = load("fathom.settings", {});
for (const id of SETTINGS) {
  $(id).value = kept[id] ?? "";
  $(id).addEventListener("change", () => {
    localStorage.setItem("fathom.settings", JSON.stringify(Object.fromEntries(SETTINGS.map(each => [each, $(each).value]))));
  });
}
$("key").value = key();
$("key").addEventListener("change", () => { localStorage.setItem("fathom.key", $("key").value.trim()); hello(); });
drawAll();
hello();
