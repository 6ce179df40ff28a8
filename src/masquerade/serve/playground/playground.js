// The page's behaviour. Text that was typed or answered enters the page as text only, never as HTML.

import { dataAddress, draw, drawGrey } from "./picture.js";
import { goTo, number, quoted, says, sensibleTab, withFate } from "./policy.js";
import { addition, events } from "./stream.js";
import { carry, find, inMasked, toUnits, write } from "./text.js";
import { MOST_TURNS, exported, full, history, save } from "./turns.js";
import { EXAMPLES, FATES, WORDS, snippets } from "./words.js";

const MASK_AFTER = 60; // milliseconds without a keystroke
const ASK_AFTER = 900;
const ASK_SOON = 200; // after a choice, which is no typing
const CHECK_AFTER = 150; // milliseconds without a keystroke in the policy
const SHOW_AFTER = 50; // milliseconds between two looks at an answer that is coming in
const LONGEST_ANSWER = 1_000_000; // characters that the page shows of one
const MAC = /Mac|iPhone|iPad/.test(navigator.platform);

const $ = (id) => document.getElementById(id);
const typed = $("typed");
const panes = { saw: $("saw"), answered: $("answered"), back: $("back") };

const state = {
  words: WORDS.en,
  names: {}, // kind -> Chinese name
  policy: { own: "", kinds: {}, file: "", whole: true }, // the gateway's, and what it does with each kind
  draft: { toml: "", good: "", kinds: {}, weaker: [], fault: null }, // the page's; `good` is in effect
  turns: [], // what was asked and answered before, in this page only
  picture: null, // {name, file, address}, or null
  longest: Infinity, // bytes that the gateway takes
  edition: 0, // counts every change of the text or of the policy; an answer to an older edition is dropped
  text: "",
  spans: [], // of `text`, in UTF-16 units
  masked: null, // the gateway's last answer about this edition, or null
  answer: null, // the model's, as far as it is here, or null; `took` is there once it is whole or cut
  problem: null, // {pane, lines}, or null
  asking: false,
  tab: 0,
};

// ---- asking the gateway ----

/** The gateway refused, or could not be reached; `problem` is the page's word for why. */
class Refusal extends Error {
  constructor(problem, detail, spans = [], line = null) {
    super(problem);
    Object.assign(this, { problem, detail, spans, line });
  }
}

/** A function that posts to `path`, and gives what `read` makes of the response; calling it again gives up on the call before. */
function lane(path, read = (response) => response.json().catch(() => ({}))) {
  let current = null;
  const post = async (body) => {
    current?.abort();
    const mine = (current = new AbortController());
    const headers = { "Content-Type": "application/json" };
    let response;
    try {
      response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal: mine.signal });
      if (response.ok) return await read(response);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refusal("lost");
    }
    throw refusal(response.status, await response.json().catch(() => ({})));
  };
  post.giveUp = () => current?.abort();
  return post;
}

function refusal(status, answer) {
  const error = answer.error ?? {};
  if (error.code === "blocked") return new Refusal("blocked", Object.keys(error.counts ?? {}), answer.spans);
  if (error.code === "policy") return new Refusal("policy", error.message, [], error.line);
  if (status === 413) return new Refusal("large");
  const said = error.param ? error.message?.replace(`${error.param}: `, "") : error.message;
  if (error.param?.endsWith("image_url")) return new Refusal("picture", said);
  return new Refusal(error.code?.startsWith("upstream") ? "upstream" : "refused", said);
}

const askForMask = lane("/playground/mask");
const askForAnswer = lane("/playground/try", events);
const askForPolicy = lane("/playground/policy");

function question() {
  const body = { text: state.text };
  if (state.turns.length) body.history = history(state.turns);
  if (state.draft.good !== state.policy.own) body.policy = { toml: state.draft.good };
  return body;
}

function wholeQuestion() {
  const body = { ...question(), stream: true };
  if ($("model").value.trim()) body.model = $("model").value.trim();
  if (state.picture) body.picture = state.picture.address;
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
    const here = ["picture", "policy", "blocked"].includes(error.problem) ? "saw" : pane; // where nothing was sent
    state.problem = { pane: here, name: error.problem, detail: error.detail };
    if (here === "saw") state.masked = null;
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
  if (!state.text.trim() && !state.picture) return undefined;
  if (full(state.turns)) return showTalk();
  state.asking = true;
  state.answer = state.problem = null;
  show();
  return forThisEdition(state.masked ? "answered" : "saw", async (current) => {
    const began = performance.now();
    try {
      for await (const event of await askForAnswer(wholeQuestion())) {
        if (!current()) return;
        take(event);
        if (state.answer?.cut) break;
      }
    } catch (error) {
      if (!current() || !state.answer || error instanceof Refusal) throw error;
      state.answer.cut ||= "cut"; // the line went dead; what came stays
    }
    if (current()) conclude(performance.now() - began);
  });
}

/** One event of an answer. */
function take({ name, data }) {
  const { answer } = state;
  if (name === "sent") {
    const sent = JSON.parse(data);
    state.answer = { ...sent, reply: "", restored: "" };
    return learn(sent);
  }
  if (name === "model") answer.reply += addition(data);
  else if (name === "back") answer.restored += addition(data);
  else if (name === "end") answer.whole = true;
  else if (name === "error") Object.assign(answer, { cut: "error", said: JSON.parse(data).error?.message ?? "" });
  if (answer.reply.length > LONGEST_ANSWER) answer.cut ||= "long";
  timers.arriving ||= setTimeout(showArriving, SHOW_AFTER);
  return undefined;
}

function showArriving() {
  timers.arriving = 0;
  if (state.answer) showAnswer();
}

/** The answer is whole, or as much of it as will come. */
function conclude(took) {
  const { answer } = state;
  askForAnswer.giveUp();
  clearTimeout(timers.arriving);
  timers.arriving = 0;
  state.asking = false;
  if (!answer) {
    state.problem = { pane: "answered", name: "lost" };
    return show();
  }
  answer.took = took;
  if (!answer.whole) answer.cut ||= "cut";
  if (answer.cut === "error" && !answer.reply) state.problem = { pane: "answered", name: "upstream", detail: answer.said };
  if (state.problem) state.answer = null;
  show();
  for (const pane of ["answered", "back"]) panes[pane].scrollTop = 0; // to be read beside what was asked
  announce(answer.cut ? cutWords(answer) : state.words.answerHere);
  return undefined;
}

function stop() {
  if (!state.asking) return;
  if (state.answer) state.answer.cut = "stopped";
  else state.asking = false;
  askForAnswer.giveUp();
  $("ask").focus();
  if (!state.answer) show();
}

function learn(masked) {
  state.masked = masked;
  state.spans = toUnits(state.text, masked.spans);
  state.problem = null;
  show();
}

const timers = { mask: 0, ask: 0, announce: 0, check: 0, arriving: 0 };

/** The text or the policy changed: what is known is out of date, and the gateway is asked again. */
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
  if (state.text || state.picture) {
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
  showTalk();
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
  showReduced();
  if (problem?.pane === "saw") return showProblem("saw");
  if (!state.text && !state.picture) return showNote("saw", words.empty);
  if (!masked) return undefined;
  const exact = inMasked(spans);
  const inPlace = exact.every((span) => masked.masked.slice(span.start, span.end) === span.surrogate);
  const places = inPlace ? exact : find(masked.masked, new Map(spans.map((span) => [span.surrogate, span])));
  write(panes.saw, masked.masked, places, dresser((span) => words.done[span.fate] ?? span.fate));
  $("saw-foot").textContent = words.masking(milliseconds(masked.ms));
  return undefined;
}

function showAnswer() {
  const { words, answer, problem } = state;
  const pending = !answer && !problem && state.text !== "";
  for (const pane of ["answered", "back"]) panes[pane].classList.toggle("stale", pending);
  $("board").setAttribute("aria-busy", String(state.asking));
  $("stop").hidden = !state.asking;
  $("back-copy").hidden = !answer?.took;
  if (problem) {
    if (problem.pane === "answered") showProblem("answered");
    else showNote("answered", words.problem.unfinished()[0]);
    return showNote("back", words.problem.unfinished()[0]);
  }
  if (!state.text && !state.picture) {
    showNote("answered", "");
    return showNote("back", "");
  }
  if (!answer) {
    const hint = state.asking ? words.asking : $("live").checked ? words.waiting : words.press(keys());
    $("answered-foot").textContent = hint;
    $("back-foot").textContent = "";
    return undefined;
  }
  const cameIn = writeAnswer(panes.answered, panes.back, answer, known(state));
  if (!answer.took) return showHeld(cameIn);
  if (!answer.reply && !answer.cut) showNote("answered", words.emptyAnswer);
  if (answer.cut) for (const pane of ["answered", "back"]) panes[pane].append(cutNote(answer));
  $("answered-foot").textContent = words.answering(answer.model ?? "mirror", milliseconds(answer.took));
  const foot = [words.restored(cameIn.filter(returning).length)];
  const gone = Object.values(answer.redacted).reduce((total, n) => total + n, 0);
  if (gone) foot.push(words.gone(gone));
  $("back-foot").textContent = foot.join(" · ");
  return undefined;
}

const returning = (span) => span.fate === "token" || span.fate === "plausible";

/** What stands for what in this conversation: by its stand-in, with the value. */
function known({ text, spans, turns }) {
  const found = new Map();
  for (const turn of [...turns.map((each) => ({ text: each.typed, spans: each.spans })), { text, spans }]) {
    for (const span of turn.spans) if (span.surrogate) found.set(span.surrogate, { ...span, value: turn.text.slice(span.start, span.end) });
  }
  return found;
}

/** An answer in its two panes, as the model gave it and as it came back; where a stand-in stood in it. */
function writeAnswer(answered, back, answer, surrogates) {
  const done = (span) => state.words.done[span.fate] ?? span.fate;
  const values = new Map([...surrogates.values()].map((span) => [returning(span) ? span.value : span.surrogate, span]));
  const cameIn = find(answer.reply, surrogates);
  write(answered, answer.reply, cameIn, dresser(done));
  write(back, answer.restored, find(answer.restored, values), dresser((span) => (returning(span) ? kindName(span.kind) : done(span))));
  return cameIn;
}

/** While an answer comes in: what the model has sent of a stand-in that is not whole yet. */
function showHeld(cameIn) {
  const { words, answer } = state;
  let expected = "";
  let at = 0;
  for (const span of cameIn) {
    expected += answer.reply.slice(at, span.start) + (returning(span) ? span.value : answer.reply.slice(span.start, span.end));
    at = span.end;
  }
  expected += answer.reply.slice(at);
  const held = expected.startsWith(answer.restored) ? expected.length - answer.restored.length : 0;
  const last = panes.answered.lastChild;
  if (held && last?.nodeType === Node.TEXT_NODE && last.length >= held) {
    const tail = Object.assign(document.createElement("span"), { className: "held" });
    tail.append(last.splitText(last.length - held));
    panes.answered.append(tail);
  }
  for (const pane of ["answered", "back"]) panes[pane].scrollTop = panes[pane].scrollHeight;
  $("answered-foot").textContent = words.arriving;
  $("back-foot").textContent = held ? words.holding(held) : "";
}

function cutWords(answer) {
  if (answer.cut === "error") return answer.said || state.words.cut;
  return state.words[answer.cut];
}

function cutNote(answer) {
  const note = Object.assign(document.createElement("p"), { className: "cut" });
  note.textContent = answer.cut === "error" ? `${state.words.cut} ${answer.said}` : cutWords(answer);
  return note;
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
  if (name === "picture" && state.picture) {
    const drawn = Object.assign(document.createElement("canvas"), { className: "refused" });
    drawn.setAttribute("role", "img");
    drawn.setAttribute("aria-label", state.words.pictureOf(state.picture.name));
    draw(drawn, state.picture.file);
    box.prepend(drawn);
  }
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
  select.append(...FATES.map((value) => Object.assign(document.createElement("option"), { value })));
  select.addEventListener("change", () => chooseFate(kind, select.value));
  row.append(name, count, select);
  return row;
}

function showKinds() {
  const { words, spans, policy, draft } = state;
  const counts = tally(spans);
  const everything = $("fates-all").getAttribute("aria-expanded") === "true";
  for (const kind of [...Object.keys(state.names), ...Object.keys(draft.kinds), ...counts.keys()]) {
    if (!rows.has(kind)) {
      rows.set(kind, kindRow(kind));
      $("kinds").append(rows.get(kind));
    }
  }
  for (const [kind, row] of rows) {
    const [name, count, select] = row.children;
    const n = counts.get(kind) ?? 0;
    const told = draft.kinds[kind];
    const changed = told && told.fate !== (policy.kinds[kind]?.fate ?? "");
    row.hidden = !(n || (everything && (told || kind in state.names)) || changed || select === document.activeElement);
    row.classList.toggle("absent", !n);
    name.firstChild.textContent = words === WORDS.zh ? (state.names[kind] ?? "") : "";
    count.textContent = n ? `×${n}` : "";
    select.setAttribute("aria-label", words.fateOf(kindName(kind)));
    for (const option of select.options) option.textContent = words.fate[option.value];
    select.value = told?.fate ?? spans.find((span) => span.kind === kind)?.fate ?? "token";
    select.disabled = told?.found === false && !n;
    row.title = select.disabled ? words.nobody : "";
  }
  $("fates-none").hidden = Boolean(counts.size || everything || !state.masked);
  $("fates-reset").hidden = draft.toml === policy.own;
  $("fates-all").textContent = everything ? words.fewer : words.all;
  showPolicy();
}

// ---- the policy ----

/** Another fate for a kind, written into the policy's text; the gateway's own again, where it says nothing of it. */
function chooseFate(kind, fate) {
  const { policy, draft } = state;
  const usual = fate === policy.kinds[kind]?.fate && !says(policy.own, kind);
  edited(withFate(draft.toml, kind, usual ? null : fate));
  checkPolicy();
}

/** The text of the policy is now `toml`; it holds once the gateway has read it without a fault. */
function edited(toml) {
  state.draft.toml = toml;
  if ($("policy-text").value !== toml) $("policy-text").value = toml;
  clearTimeout(timers.check);
  number($("policy-text"), $("policy-lines"), state.draft.fault?.line);
}

async function checkPolicy() {
  clearTimeout(timers.check);
  const { draft } = state;
  const { toml } = draft;
  try {
    const told = await askForPolicy({ toml });
    if (toml !== draft.toml) return;
    const news = draft.good !== toml;
    Object.assign(draft, { good: toml, kinds: told.kinds, weaker: told.weaker, fault: null });
    if (news) changed({ at: 0 });
  } catch (error) {
    if (error.name === "AbortError" || toml !== draft.toml) return;
    if (!(error instanceof Refusal)) throw error;
    const said = error.problem === "policy" ? error.detail : state.words.problem[error.problem](error.detail)[0];
    draft.fault = { line: error.line, said };
    $("policy").open = true;
  }
  number($("policy-text"), $("policy-lines"), draft.fault?.line);
  showKinds();
}

function showPolicy() {
  const { words, policy, draft, answer } = state;
  const { fault } = draft;
  const name = quoted(policy.file || "policy.toml");
  $("policy-note").textContent = policy.whole ? words.policyNote : `${words.policyNote} ${words.policyHidden}`;
  $("policy-text").setAttribute("aria-invalid", String(Boolean(fault)));
  $("policy-state").textContent = fault ? words.policyOld : draft.toml === policy.own ? words.policySame : words.policyGood;
  $("policy-fault").hidden = !fault;
  $("policy-fault").textContent = fault ? words.policyLine(fault.line, fault.said) : "";
  $("policy-go").hidden = !fault?.line;
  if (fault?.line) $("policy-go").textContent = words.policyGo(fault.line);
  $("policy-save").disabled = Boolean(fault);
  $("policy-command").textContent = `masquerade check ${name}\nmasquerade serve --policy ${name}`;
  const weaker = draft.weaker.length ? draft.weaker : (answer?.mirrored ?? []);
  const told = weaker.map((each) => words.weakness[each.what]?.(each.name ? kindName(each.name) : "") ?? each.what);
  $("weaker").hidden = !weaker.length;
  $("weaker").textContent = weaker.length ? words.weaker([...new Set(told)].join(words.join)) : "";
}

async function beginPolicy() {
  try {
    const told = await askForPolicy({});
    state.policy = { own: told.toml, kinds: told.kinds, file: told.file, whole: told.whole };
    state.draft = { toml: told.toml, good: told.toml, kinds: told.kinds, weaker: [], fault: null };
    state.longest = told.longest;
    if (told.service === "recogniser") $("model").value = "recogniser";
  } catch {
    // Another question to the gateway will say what is wrong.
  }
  edited(state.draft.toml);
}

// ---- turns ----

function showTalk() {
  const { words, turns, answer } = state;
  const much = full(turns);
  $("turns").hidden = !turns.length;
  $("next").hidden = !answer?.took || much;
  $("fresh").hidden = $("export-open").hidden = !turns.length;
  $("talk-note").textContent = much ? words.talkFull(MOST_TURNS) : turns.length ? words.talk(turns.length, MOST_TURNS) : "";
  $("talk-note").classList.toggle("alarm", much);
}

/** The present question and its answer become a turn, and the next can be typed. */
function nextQuestion() {
  const { answer, masked, text, spans, turns } = state;
  if (!answer?.took || full(turns)) return;
  const { reply, restored, model, cut, said, picture } = answer;
  turns.push({ typed: text, spans, saw: masked.masked, reply, restored, model, cut, said, picture, name: state.picture?.name });
  showTurns();
  setPicture(null);
  typed.value = "";
  changed();
  typed.focus();
  $("status").textContent = state.words.nextReady;
}

function freshConversation() {
  state.turns.length = 0;
  showTurns();
  setPicture(null);
  typed.value = "";
  changed();
  typed.focus();
  $("status").textContent = state.words.freshDone;
}

function showTurns() {
  const { words, turns } = state;
  const list = turns.map((turn, i) => {
    const row = document.createElement("li");
    row.setAttribute("aria-label", words.turn(i + 1));
    const cells = ["typed", "saw", "answered", "back"].map((name) => {
      const cell = document.createElement("div");
      cell.className = name === "typed" || name === "back" ? "here" : "away";
      const head = Object.assign(document.createElement("h3"), { textContent: words[name] });
      const text = Object.assign(document.createElement("div"), { className: "text" });
      cell.append(head, text);
      return { cell, text };
    });
    const [asked, saw, answered, back] = cells.map(({ text }) => text);
    const exact = inMasked(turn.spans);
    write(asked, turn.typed, turn.spans, dresser((span) => kindName(span.kind)));
    write(saw, turn.saw, exact, dresser((span) => words.done[span.fate] ?? span.fate));
    writeAnswer(answered, back, turn, known({ text: turn.typed, spans: turn.spans, turns: turns.slice(0, i) }));
    if (turn.cut) for (const pane of [answered, back]) pane.append(cutNote(turn));
    if (turn.name !== undefined) asked.append(Object.assign(document.createElement("p"), { className: "cut", textContent: words.pictureHad }));
    row.append(...cells.map(({ cell }) => cell));
    return row;
  });
  $("turn-list").replaceChildren(...list);
  $("turn-list").scrollTop = $("turn-list").scrollHeight;
}

function saveConversation() {
  const originals = $("export-originals").checked;
  const name = originals ? "conversation-with-originals.json" : "conversation.json";
  save(name, exported(state.turns, originals), "application/json");
  $("export").close();
}

// ---- a picture ----

async function takePicture(file) {
  const { words } = state;
  const say = (note) => {
    $("picture-name").textContent = $("status").textContent = note;
    $("thumb").hidden = $("picture-remove").hidden = true;
    $("attached").hidden = false;
  };
  setPicture(null);
  if (!file) return;
  if (!file.type.startsWith("image/")) return say(words.pictureOnly);
  if (file.size * 1.34 > state.longest) return say(words.pictureLarge);
  let address;
  try {
    address = await dataAddress(file);
  } catch {
    return say(words.pictureUnread);
  }
  setPicture({ name: file.name, file, address });
  changed({ at: 0 });
}

function setPicture(picture) {
  state.picture = picture;
  $("attached").hidden = !picture;
  $("thumb").hidden = $("picture-remove").hidden = false;
  $("picture-file").value = "";
  showPicture();
  if (picture) draw($("thumb"), picture.file);
}

function showPicture() {
  const { words, picture } = state;
  if (!picture) return;
  $("picture-name").textContent = picture.name;
  $("thumb").setAttribute("aria-label", words.pictureOf(picture.name));
}

/** What a model that recognises pictures saw of one. */
function showReduced() {
  const { words, answer } = state;
  const size = answer?.picture ? drawGrey($("reduced-canvas"), answer.picture) : null;
  $("reduced").hidden = !size;
  if (size) $("reduced-name").textContent = words.reduced(size.width, size.height);
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
  showTurns();
  showPicture();
  const other = EXAMPLES.find((example) => example.start && example.text === typed.value && example.lang !== words.page);
  if (other || !(typed.value || state.picture || state.turns.length)) useExample(EXAMPLES.find((example) => example.start && example.lang === words.page));
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
      if (event.shiftKey) nextQuestion();
      else ask();
    }
  });
  $("ask").addEventListener("click", ask);
  $("stop").addEventListener("click", stop);
  listenToTurns();
  listenToPictures();
  listenToPolicy();
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
    edited(state.policy.own);
    checkPolicy();
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

function listenToTurns() {
  $("next").addEventListener("click", nextQuestion);
  $("fresh").addEventListener("click", freshConversation);
  $("export-open").addEventListener("click", () => {
    $("export-masked").checked = true; // originals are chosen each time, or not at all
    $("export").showModal();
  });
  $("export-cancel").addEventListener("click", () => $("export").close());
  $("export-save").addEventListener("click", saveConversation);
  // A page that comes back from the browser's memory would still hold it.
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}

function listenToPictures() {
  const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const over = (is) => document.body.classList.toggle("dropping", is);
  addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    over(true);
  });
  addEventListener("dragleave", (event) => event.relatedTarget === null && over(false));
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault(); // or the browser would leave the page for the file
    over(false);
    takePicture(event.dataTransfer.files[0]);
  });
  typed.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
    if (!file || event.clipboardData.getData("text/plain")) return;
    event.preventDefault();
    takePicture(file);
  });
  $("picture-choose").addEventListener("click", () => $("picture-file").click());
  $("picture-file").addEventListener("change", (event) => takePicture(event.target.files[0]));
  $("picture-remove").addEventListener("click", () => {
    setPicture(null);
    changed({ at: 0 });
    $("picture-choose").focus();
  });
}

function listenToPolicy() {
  const text = $("policy-text");
  sensibleTab(text);
  text.addEventListener("input", () => {
    edited(text.value);
    timers.check = setTimeout(checkPolicy, CHECK_AFTER);
  });
  text.addEventListener("scroll", () => {
    $("policy-lines").style.transform = `translateY(${-text.scrollTop}px)`;
  });
  $("policy-go").addEventListener("click", () => goTo(text, state.draft.fault.line));
  $("policy-save").addEventListener("click", () => save(state.policy.file || "policy.toml", state.draft.toml, "application/toml"));
  $("policy-copy").addEventListener("click", (event) => copy(event.currentTarget, $("policy-command").textContent));
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
  await beginPolicy();
  speak(language);
}

begin();
