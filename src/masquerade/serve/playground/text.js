// Places in a text: from the gateway's characters to JavaScript's UTF-16 units, across edits, and into the page.

/** Spans whose offsets count characters, as spans whose offsets count UTF-16 units of `text`. */
export function toUnits(text, spans) {
  const wanted = [...new Set(spans.flatMap((span) => [span.start, span.end]))].sort((a, b) => a - b);
  const units = new Map();
  let unit = 0;
  let character = 0;
  for (const offset of wanted) {
    for (; character < offset && unit < text.length; character++) unit += text.codePointAt(unit) > 0xffff ? 2 : 1;
    units.set(offset, unit);
  }
  return spans.map((span) => ({ ...span, start: units.get(span.start), end: units.get(span.end) }));
}

/** The same spans after `before` was edited into `after`: moved along with their text; touched ones are gone. */
export function carry(spans, before, after) {
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < shorter - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
  const shift = after.length - before.length;
  const kept = [];
  for (const span of spans) {
    if (span.end <= head) kept.push(span);
    else if (span.start >= before.length - tail) kept.push({ ...span, start: span.start + shift, end: span.end + shift });
  }
  return kept;
}

/** Where each span of the original stands in the masked text: everything between spans is the same in both. */
export function inMasked(spans) {
  let shift = 0;
  return spans.map((span) => {
    const start = span.start + shift;
    const end = start + span.surrogate.length;
    shift = end - span.end;
    return { ...span, start, end };
  });
}

/**
 * Every place in `text` where one of `needles` (text -> what is known of it) stands, in capitals or not,
 * for a model may change them; the longest wins.
 */
export function find(text, needles) {
  const known = new Map([...needles].map(([needle, span]) => [needle.toLowerCase(), span]));
  const longest = [...known.keys()].filter(Boolean).sort((a, b) => b.length - a.length);
  if (!longest.length) return [];
  const escaped = longest.map((needle) => needle.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const places = [];
  for (const match of text.matchAll(new RegExp(escaped.join("|"), "gi"))) {
    const span = known.get(match[0].toLowerCase());
    if (span) places.push({ ...span, start: match.index, end: match.index + match[0].length });
  }
  return places;
}

/** Put `text` into `element` with every span as a `<mark>` made by `dress(mark, span)`; never parsed as HTML. */
export function write(element, text, spans, dress) {
  const page = document.createDocumentFragment();
  let at = 0;
  for (const span of spans) {
    if (span.start > at) page.append(text.slice(at, span.start));
    const mark = document.createElement("mark");
    mark.textContent = text.slice(span.start, span.end);
    dress(mark, span);
    page.append(mark);
    at = span.end;
  }
  page.append(text.slice(at));
  element.replaceChildren(page);
}
