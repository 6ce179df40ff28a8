// An event stream, event by event, and what a chunk of a chat completion says.

/** The events of a response as they come: `{name, data}`, `data` being text. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (held + value).split("\n\n");
      held = blocks.pop();
      for (const block of blocks) yield event(block);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function event(block) {
  const found = { name: "", data: [] };
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) found.name = line.slice(7);
    else if (line.startsWith("data: ")) found.data.push(line.slice(6));
  }
  return { name: found.name, data: found.data.join("\n") };
}

/** The text that one event of a model service adds to the answer; a whole completion adds all of it. */
export function addition(data) {
  try {
    const choice = JSON.parse(data).choices?.[0];
    const text = (choice?.delta ?? choice?.message)?.content;
    return typeof text === "string" ? text : "";
  } catch {
    return ""; // [DONE], or what no client could read either
  }
}
