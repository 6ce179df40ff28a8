// The page's behaviour. Text that was typed or answered enters the page as text only, never as HTML.

import { carry, find, inMasked, toUnits, write } from "./text.js";
import { EXAMPLES, FATES, WORDS, snippets } from "./words.js";

const MASK_AFTER = 60; // milliseconds without a keystroke
const ASK_AFTER = 900;
const ASK_SOON = 200; // after a choice, which is no typing
const MAC = /Mac|iPhone|iPad/.test(navigator.platform);

const $ = (id) => document.getElementById(id);
const typed = $("typed");
const panes = { saw: $("saw"), answered: $("answered"), back: $("back") };

const state = {
  words: WORDS.en,
  names: {}, // kind -> Chinese name
  chosen: {}, // kind -> fate, where it differs from the gateway's policy
  usual: new Map(), // kind -> fate by the gateway's policy, as far as it was seen
  edition: 0, // counts every change of the text or of a fate; an answer to an older edition is dropped
  text: "",
  spans: [], // of `text`, in UTF-16 units
  masked: null, // the gateway's last answer about this edition, or null
  answer: null, // the model's, or null
  problem: null, // {pane, lines}, or null
  asking: false,
  tab: 0,
};

// ---- asking the gateway ----

/** The gateway refused, or could not be reached; `problem` is the page's word for why. */
class Refusal extends Error {
  constructor(problem, detail, spans = []) {
    super(problem);
    Object.assign(this, { problem, detail, spans });
  }
}

/** A function that posts to `path`; calling it again gives up on the call before. */
function lane(path) {
  let current = null;
  const post = async (body) => {
    current?.abort();
    const mine = (current = new AbortController());
    const headers = { "Content-Type": "application/json" };
    let response, answer;
    try {
      response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal: mine.signal });
      answer = await response.json().catch(() => ({}));
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refusal("lost");
    }
    if (!response.ok) throw refusal(response.status, answer);
    return answer;
  };
  post.giveUp = () => current?.abort();
  return post;
}

function refusal(status, answer) {
  const error = answer.error ?? {};
  if (error.code === "blocked") return new Refusal("blocked", Object.keys(error.counts ?? {}), answer.spans);
  if (status === 413) return new Refusal("large");
  return new Refusal(error.code?.startsWith("upstream") ? "upstream" : "refused", error.message);
}

const askForMask = lane("/playground/mask");
const askForAnswer = lane("/playground/try");

function question() {
  const body = { text: state.text };
  if (Object.keys(state.chosen).length) body.policy = { fates: state.chosen };
  if ($("model").value.trim()) body.model = $("model").value.trim();
  return body;
}

/** Do `work` for the present edition; what comes back after the next keystroke is dropped. */
async function forThisEdition(pane, work) {
  const edition = state.edition;
  try {
    await work(() => edition === state.edition);
  } catch (error) {
    if (error.name === "AbortError" || edition !== state.edition) return;
    if (!(error instanceof Refusal)) throw error;
    clearTimeout(timers.ask);
    if (error.spans.length) state.spans = toUnits(state.text, error.spans);
    state.problem = { pane, name: error.problem, detail: error.detail };
    if (pane === "saw") state.masked = null;
    state.answer = null;
    state.asking = false;
    show();
  }
}

function mask() {
  return forThisEdition("saw", async (current) => {
    const masked = await askForMask(question());
    if (!current()) return;
    learn(masked);
    announce("");
  });
}

function ask() {
  clearTimeout(timers.mask);
  clearTimeout(timers.ask);
  if (!state.text.trim()) return undefined;
  state.asking = true;
  state.answer = state.problem = null;
  show();
  return forThisEdition(state.masked ? "answered" : "saw", async (current) => {
    const began = performance.now();
    const answer = await askForAnswer(question());
    if (!current()) return;
    state.answer = { ...answer, took: performance.now() - began };
    state.asking = false;
    learn(answer);
    announce(state.words.answerHere);
  });
}

function learn(masked) {
  state.masked = masked;
  state.spans = toUnits(state.text, masked.spans);
  state.problem = null;
  show();
}

const timers = { mask: 0, ask: 0, announce: 0 };

/** The text or a fate changed: what is known is out of date, and the gateway is asked again. */
function changed({ at = MASK_AFTER } = {}) {
  const before = state.text;
  state.text = typed.value.toWellFormed?.() ?? typed.value;
  state.spans = carry(state.spans, before, state.text);
  state.edition++;
  state.masked = state.answer = state.problem = null;
  state.asking = false;
  askForMask.giveUp();
  askForAnswer.giveUp();
  clearTimeout(timers.mask);
  clearTimeout(timers.ask);
  if (state.text) {
    timers.mask = setTimeout(mask, at);
    if ($("live").checked) timers.ask = setTimeout(ask, at ? ASK_AFTER : ASK_SOON);
  } else {
    state.spans = [];
  }
  show();
}

// ---- showing what is known ----

const kindName = (kind) => (state.words === WORDS.zh && state.names[kind]) || kind;
const milliseconds = (ms) => (ms < 10 ? ms.toFixed(2) : ms.toFixed(0));

function tally(spans) {
  const counts = new Map();
  for (const { kind } of spans) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

function sentence(counts) {
  const items = [...counts].map(([kind, n]) => (n > 1 ? `${kindName(kind)} ×${n}` : kindName(kind)));
  return items.join(state.words.join);
}

/** What `places` are called and which of them belong together, so that all of a value light up at once. */
function dresser(label) {
  return (mark, span) => {
    mark.dataset.kind = span.kind;
    mark.dataset.fate = span.fate;
    mark.dataset.value = span.surrogate ?? span.start;
    mark.dataset.label = label(span);
    tint(mark, span.kind);
    mark.tabIndex = -1;
    mark.setAttribute("aria-description", `${kindName(span.kind)}, ${state.words.done[span.fate] ?? span.fate}`);
  };
}

/** A kind that a policy made up has no row in the style sheet: its hue comes from its name. */
function tint(element, kind) {
  if (kind in state.names) return;
  const hue = [...kind].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
  element.style.setProperty("--hue", hue);
}

function show() {
  showTyped();
  showSaw();
  showAnswer();
  showKinds();
}

function showTyped() {
  const { text, spans, words } = state;
  const dress = dresser((span) => kindName(span.kind));
  write($("typed-layer"), text, spans, dress);
  $("typed-layer").append("\n");
  const parts = [words.characters([...text].length)];
  if (state.masked) parts.push(words.found(spans.length));
  $("typed-foot").textContent = text ? parts.join(" · ") : "";
}

function showSaw() {
  const { words, masked, spans, problem } = state;
  panes.saw.classList.toggle("stale", !masked && !problem && state.text !== "");
  $("saw-copy").hidden = !masked;
  if (problem?.pane === "saw") return showProblem("saw");
  if (!state.text) return showNote("saw", words.empty);
  if (!masked) return undefined;
  const exact = inMasked(spans);
  const inPlace = exact.every((span) => masked.masked.slice(span.start, span.end) === span.surrogate);
  const places = inPlace ? exact : find(masked.masked, new Map(spans.map((span) => [span.surrogate, span])));
  write(panes.saw, masked.masked, places, dresser((span) => words.done[span.fate] ?? span.fate));
  $("saw-foot").textContent = words.masking(milliseconds(masked.ms));
  return undefined;
}

function showAnswer() {
  const { words, answer, problem, spans } = state;
  const pending = !answer && !problem && state.text !== "";
  for (const pane of ["answered", "back"]) panes[pane].classList.toggle("stale", pending);
  $("board").setAttribute("aria-busy", String(state.asking));
  $("back-copy").hidden = !answer;
  if (problem) {
    if (problem.pane === "answered") showProblem("answered");
    else showNote("answered", words.problem.unfinished()[0]);
    return showNote("back", words.problem.unfinished()[0]);
  }
  if (!state.text) {
    showNote("answered", "");
    return showNote("back", "");
  }
  if (!answer) {
    const hint = state.asking ? words.asking : $("live").checked ? words.waiting : words.press(keys());
    $("answered-foot").textContent = hint;
    $("back-foot").textContent = "";
    return undefined;
  }
  const returning = (span) => span.fate === "token" || span.fate === "plausible";
  const surrogates = new Map(spans.map((span) => [span.surrogate, span]));
  const values = new Map(
    spans.map((span) => [returning(span) ? state.text.slice(span.start, span.end) : span.surrogate, span]),
  );
  const cameIn = find(answer.reply, surrogates);
  write(panes.answered, answer.reply || words.emptyAnswer, cameIn, dresser((span) => words.done[span.fate] ?? span.fate));
  write(panes.back, answer.restored, find(answer.restored, values), dresser((span) =>
    returning(span) ? kindName(span.kind) : words.done[span.fate],
  ));
  $("answered-foot").textContent = words.answering(answer.model ?? "mirror", milliseconds(answer.took));
  const foot = [words.restored(cameIn.filter(returning).length)];
  const gone = Object.values(answer.redacted).reduce((total, n) => total + n, 0);
  if (gone) foot.push(words.gone(gone));
  $("back-foot").textContent = foot.join(" · ");
  return undefined;
}

function showNote(pane, note) {
  const line = document.createElement("p");
  line.className = "note";
  line.textContent = note;
  panes[pane].replaceChildren(line);
  $(`${pane}-foot`).textContent = "";
}

function showProblem(pane) {
  const { name, detail } = state.problem;
  const said = name === "blocked" ? sentence(new Map(detail.map((kind) => [kind, 1]))) : detail;
  const [first, second] = state.words.problem[name](said);
  const box = document.createElement("div");
  box.className = "problem";
  box.setAttribute("role", "alert");
  const [strong, line, again] = ["strong", "p", "button"].map((tag) => document.createElement(tag));
  strong.textContent = first;
  line.textContent = second;
  again.textContent = state.words.again;
  again.type = "button";
  again.className = "quiet";
  again.addEventListener("click", () => changed({ at: 0 }));
  box.append(strong, line);
  if (name === "lost" || name === "upstream") box.append(again);
  panes[pane].replaceChildren(box);
  $(`${pane}-foot`).textContent = "";
}

function announce(message) {
  clearTimeout(timers.announce);
  timers.announce = setTimeout(() => {
    if (!state.masked) return;
    const { words, spans, masked } = state;
    const found = words.announce(words.found(spans.length), sentence(tally(spans)), milliseconds(masked.ms));
    $("status").textContent = `${found} ${message}`.trim();
  }, 400);
}

// ---- kinds and their fates ----

const rows = new Map(); // kind -> its row; made once, so that a choice being made is never pulled away

function kindRow(kind) {
  const row = document.createElement("li");
  row.dataset.kind = kind;
  tint(row, kind);
  const name = document.createElement("span");
  name.className = "kind";
  const code = document.createElement("code");
  code.textContent = kind;
  const local = document.createElement("span");
  name.append(local, code);
  const count = document.createElement("span");
  count.className = "count";
  const select = document.createElement("select");
  select.append(...["", ...FATES].map((value) => Object.assign(document.createElement("option"), { value })));
  select.addEventListener("change", () => {
    if (select.value === "" || select.value === state.usual.get(kind)) delete state.chosen[kind];
    else state.chosen[kind] = select.value;
    changed({ at: 0 });
  });
  row.append(name, count, select);
  return row;
}

function showKinds() {
  const { words, spans, chosen } = state;
  const counts = tally(spans);
  if (state.masked) for (const { kind, fate } of spans) if (!(kind in chosen)) state.usual.set(kind, fate);
  const everything = $("fates-all").getAttribute("aria-expanded") === "true";
  for (const kind of [...Object.keys(state.names), ...counts.keys()]) {
    if (!rows.has(kind)) {
      rows.set(kind, kindRow(kind));
      $("kinds").append(rows.get(kind));
    }
  }
  for (const [kind, row] of rows) {
    const [name, count, select] = row.children;
    const n = counts.get(kind) ?? 0;
    row.hidden = !(everything || n || kind in chosen || select === document.activeElement);
    row.classList.toggle("absent", !n);
    name.firstChild.textContent = words === WORDS.zh ? (state.names[kind] ?? "") : "";
    count.textContent = n ? `×${n}` : "";
    select.setAttribute("aria-label", words.fateOf(kindName(kind)));
    for (const option of select.options) option.textContent = words.fate[option.value] ?? words.policy;
    select.options[0].hidden = state.usual.has(kind);
    select.value = chosen[kind] ?? state.usual.get(kind) ?? "";
  }
  $("fates-none").hidden = Boolean(counts.size || everything || !state.masked);
  $("fates-reset").hidden = !Object.keys(chosen).length;
  $("fates-all").textContent = everything ? words.fewer : words.all;
}

// ---- one value, everywhere it stands ----

function light(test) {
  for (const mark of document.querySelectorAll("mark")) mark.classList.toggle("lit", test(mark));
}

const lightValue = (mark) => light(mark ? (other) => other.dataset.value === mark.dataset.value : () => false);

/** The mark of the input under a point, though the textarea lies above it. */
function markAt(x, y) {
  for (const mark of $("typed-layer").querySelectorAll("mark")) {
    for (const box of mark.getClientRects()) {
      if (x >= box.left && x <= box.right && y >= box.top && y <= box.bottom) return mark;
    }
  }
  return null;
}

function markAtCaret() {
  const at = typed.selectionStart;
  const index = state.spans.findIndex((span) => span.start <= at && at <= span.end);
  return index < 0 ? null : $("typed-layer").querySelectorAll("mark")[index];
}

function scrollBackdrop() {
  $("typed-layer").style.transform = `translate(${-typed.scrollLeft}px, ${-typed.scrollTop}px)`;
}

function step(event) {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  const marks = [...event.currentTarget.querySelectorAll("mark")];
  if (!marks.length) return;
  event.preventDefault();
  const here = marks.indexOf(document.activeElement);
  marks[here < 0 ? (by > 0 ? 0 : marks.length - 1) : (here + by + marks.length) % marks.length].focus();
}

// ---- language, appearance, snippet ----

const keys = () => (MAC ? "⌘ ↵" : "Ctrl ↵");

function speak(language) {
  const words = (state.words = WORDS[language]);
  document.documentElement.lang = words.page;
  document.title = words.title;
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = words[element.dataset.t];
  for (const element of document.querySelectorAll("[data-t-label]")) element.setAttribute("aria-label", words[element.dataset.tLabel]);
  for (const element of document.querySelectorAll("[data-t-hint]")) element.placeholder = words[element.dataset.tHint];
  for (const code of ["en", "zh"]) $(`lang-${code}`).setAttribute("aria-pressed", String(code === language));
  const meanings = FATES.map((fate) => {
    const pair = document.createElement("div");
    const [term, meaning] = ["dt", "dd"].map((tag) => document.createElement(tag));
    term.textContent = words.fate[fate];
    meaning.textContent = words.means[fate];
    pair.append(term, meaning);
    return pair;
  });
  $("meanings").replaceChildren(...meanings);
  showSnippet(state.tab);
  const other = EXAMPLES.find((example) => example.start && example.text === typed.value && example.lang !== words.page);
  if (other || !typed.value) useExample(EXAMPLES.find((example) => example.start && example.lang === words.page));
  else if (typed.value !== state.text) changed({ at: 0 });
  else show();
}

function useExample(example) {
  typed.value = example.text;
  typed.scrollTop = 0;
  changed({ at: 0 });
}

function dark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function showTheme() {
  $("theme").setAttribute("aria-pressed", String(dark()));
}

function showSnippet(index) {
  const programs = Object.values(snippets(location.origin));
  state.tab = (index + programs.length) % programs.length;
  [...$("tabs").children].forEach((tab, i) => {
    tab.setAttribute("aria-selected", String(i === state.tab));
    tab.tabIndex = i === state.tab ? 0 : -1;
  });
  $("code").setAttribute("aria-labelledby", `tab-${state.tab}`);
  const lines = programs[state.tab].map((line) => {
    const row = document.createElement(line[0] === "+" ? "ins" : "span");
    row.textContent = `${line.slice(1)}\n`;
    return row;
  });
  $("code").firstChild.replaceChildren(...lines);
}

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without HTTPS only localhost has the clipboard API.
    const box = Object.assign(document.createElement("textarea"), { value: text, className: "unseen" });
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
    button.focus();
  }
  button.textContent = state.words.copied;
  $("status").textContent = state.words.copied;
  setTimeout(() => (button.textContent = state.words.copy), 1600);
}

// ---- beginning ----

function listen() {
  typed.addEventListener("input", () => changed());
  typed.addEventListener("scroll", scrollBackdrop);
  typed.addEventListener("pointermove", (event) => lightValue(markAt(event.clientX, event.clientY)));
  typed.addEventListener("pointerleave", () => lightValue(null));
  document.addEventListener("selectionchange", () => document.activeElement === typed && lightValue(markAtCaret()));
  for (const pane of Object.values(panes)) {
    pane.addEventListener("keydown", step);
    pane.addEventListener("pointerover", (event) => lightValue(event.target.closest("mark")));
    pane.addEventListener("focusin", (event) => lightValue(event.target.closest("mark")));
    pane.addEventListener("pointerleave", () => lightValue(null));
    pane.addEventListener("focusout", () => lightValue(null));
  }
  for (const [name, off] of [["pointerover", false], ["focusin", false], ["pointerleave", true], ["focusout", true]]) {
    $("kinds").addEventListener(name, (event) => {
      const kind = off ? null : event.target.closest("li")?.dataset.kind;
      light((mark) => mark.dataset.kind === kind);
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      ask();
    }
  });
  $("ask").addEventListener("click", ask);
  $("model").addEventListener("focus", nameModels, { once: true });
  $("model").addEventListener("change", () => {
    // A model with a name may cost money: from here on it is asked when the reader says so.
    if ($("model").value.trim()) $("live").checked = false;
    changed({ at: 0 });
  });
  $("live").addEventListener("change", () => changed({ at: 0 }));
  $("fates-all").addEventListener("click", (event) => {
    const open = event.currentTarget.getAttribute("aria-expanded") === "true";
    event.currentTarget.setAttribute("aria-expanded", String(!open));
    showKinds();
  });
  $("fates-reset").addEventListener("click", () => {
    state.chosen = {};
    changed({ at: 0 });
    $("fates-all").focus();
  });
  for (const language of ["en", "zh"]) $(`lang-${language}`).addEventListener("click", () => speak(language));
  $("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    showTheme();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
  $("saw-copy").addEventListener("click", (event) => copy(event.currentTarget, state.masked.masked));
  $("back-copy").addEventListener("click", (event) => copy(event.currentTarget, state.answer.restored));
  $("code-copy").addEventListener("click", (event) => copy(event.currentTarget, $("code").textContent));
  $("tabs").addEventListener("keydown", (event) => {
    const last = $("tabs").children.length - 1;
    const to = { ArrowRight: state.tab + 1, ArrowLeft: state.tab - 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    showSnippet(to);
    $(`tab-${state.tab}`).focus();
  });
}

function furnish() {
  $("ask-keys").textContent = keys();
  showTheme();
  for (const example of EXAMPLES) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "chip", lang: example.lang });
    button.textContent = example.name;
    button.addEventListener("click", () => useExample(example));
    $("examples").append(button);
  }
  Object.keys(snippets("")).forEach((name, i) => {
    const tab = Object.assign(document.createElement("button"), { type: "button", id: `tab-${i}`, textContent: name });
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", "code");
    tab.addEventListener("click", () => showSnippet(i));
    $("tabs").append(tab);
  });
}

/** Offer the names of the models that the gateway knows of; without them the field takes any name. */
async function nameModels() {
  try {
    const { data } = await (await fetch("/v1/models")).json();
    $("models").replaceChildren(...data.map(({ id }) => new Option(id, id)));
  } catch {
    // A service may want a key before it names its models.
  }
}

async function begin() {
  furnish();
  listen();
  const asked = new URLSearchParams(location.search).get("lang") ?? navigator.language;
  const language = asked.toLowerCase().startsWith("zh") ? "zh" : "en";
  try {
    state.names = (await (await fetch("/playground/kinds.json")).json()).kinds;
  } catch {
    // The page is usable without names; the first question to the gateway will say what is wrong.
  }
  speak(language);
}

begin();
