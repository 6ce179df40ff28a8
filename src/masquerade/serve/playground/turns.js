// A conversation: it lives in this page, and nowhere else.

export const MOST_TURNS = 20;
export const MOST_CHARACTERS = 100_000;

const size = (turns) => turns.reduce((sum, turn) => sum + turn.typed.length + turn.restored.length, 0);

/** Whether another turn would be too much. */
export const full = (turns) => turns.length >= MOST_TURNS || size(turns) > MOST_CHARACTERS;

/** The turns as the messages that go before the next question. */
export function history(turns) {
  return turns.flatMap((turn) => [
    { role: "user", content: turn.typed },
    { role: "assistant", content: turn.restored },
  ]);
}

/** The conversation as JSON: what the model saw and answered, and the originals only `withOriginals`. */
export function exported(turns, withOriginals) {
  const told = turns.map((turn) => ({
    model: turn.model,
    ...(turn.cut ? { cut: turn.cut } : {}),
    ...(turn.picture ? { picture: true } : {}),
    saw: turn.saw,
    answered: turn.reply,
    ...(withOriginals ? { typed: turn.typed, back: turn.restored } : {}),
  }));
  const head = { format: "masquerade conversation", version: 1, originals: withOriginals };
  return `${JSON.stringify({ ...head, turns: told }, null, 2)}\n`;
}

/** Give a text to the reader as a file. */
export function save(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  Object.assign(document.createElement("a"), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 2000);
}
