// A policy's text: its fates changed line by line, and an editor with numbered lines.

const HEADER = /^\s*\[\s*([^[\]]+?)\s*\]\s*(?:#.*)?$/;
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Where `kind` is said in the lines of a policy: the table's line, the kind's (or -1), and the table's end. */
function find(lines, kind) {
  const table = lines.findIndex((line) => HEADER.exec(line)?.[1] === "fates");
  let end = table + 1;
  while (table >= 0 && end < lines.length && !/^\s*\[/.test(lines[end])) end++;
  const own = new RegExp(`^\\s*["']?${escaped(kind)}["']?\\s*=`);
  const dotted = new RegExp(`^\\s*fates\\s*\\.\\s*["']?${escaped(kind)}["']?\\s*=`);
  let at = table < 0 ? -1 : lines.slice(table + 1, end).findIndex((line) => own.test(line));
  if (at >= 0) at += table + 1;
  else at = lines.findIndex((line) => dotted.test(line));
  return { table, at, end };
}

/** Whether the policy says something of `kind` by itself. */
export const says = (toml, kind) => find(toml.split("\n"), kind).at >= 0;

/** `toml` with another fate for `kind`, or with its line taken out where `fate` is null; all else stays. */
export function withFate(toml, kind, fate) {
  const lines = toml.split("\n");
  const { table, at, end } = find(lines, kind);
  const line = `${kind} = "${fate}"`;
  if (at >= 0 && fate === null) lines.splice(at, 1);
  else if (at >= 0) lines[at] = lines[at].replace(/=\s*(?:"[^"]*"|'[^']*')/, () => `= "${fate}"`);
  else if (fate === null) return toml;
  else if (table >= 0) {
    let last = end;
    while (last > table + 1 && !lines[last - 1].trim()) last--;
    lines.splice(last, 0, line);
  } else {
    while (lines.length && !lines[lines.length - 1].trim()) lines.pop();
    lines.push("", "[fates]", line, "");
  }
  return lines.join("\n");
}

/** A name as a shell takes it. */
export const quoted = (name) => (/^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`);

/** Number the lines of `area` in `gutter`, and mark the one that is wrong. */
export function number(area, gutter, wrong) {
  const count = area.value.split("\n").length;
  const rows = Array.from({ length: count }, (_, i) => {
    const row = document.createElement(i + 1 === wrong ? "strong" : "span");
    row.textContent = String(i + 1);
    return row;
  });
  gutter.replaceChildren(...rows);
  area.rows = Math.min(Math.max(count, 8), 26);
}

/** Put the caret on a line, and show it. */
export function goTo(area, line) {
  const before = area.value.split("\n").slice(0, line - 1);
  const start = before.reduce((sum, each) => sum + each.length + 1, 0);
  const end = area.value.indexOf("\n", start);
  area.focus();
  area.setSelectionRange(start, end < 0 ? area.value.length : end);
  const height = parseFloat(getComputedStyle(area).lineHeight);
  area.scrollTop = Math.max(0, (line - 4) * height);
}

/** Tab writes two spaces; after Escape it moves on, as everywhere else, and so does Shift+Tab. */
export function sensibleTab(area) {
  let leaving = false;
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leaving = true;
    else if (event.key === "Tab" && !event.shiftKey && !leaving) {
      event.preventDefault();
      document.execCommand("insertText", false, "  "); // the one way that can be undone
    } else if (event.key !== "Shift") leaving = false;
  });
  area.addEventListener("blur", () => (leaving = false));
}
