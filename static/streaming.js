// An answer that comes as lines of JSON: each line as it arrives. Throws a sentence for a person, also where it broke off.
Subtext.lines = async function* (path, body, signal) {
  let answer;
  try {
    answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Error("The server does not answer. It may have been stopped; start it again and reload this page.");
  }
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || `The server answered ${answer.status}.`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", ended = false;
  for (;;) {
    const { value, done: over } = await reader.read();
    if (over) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) {
      const told = JSON.parse(part);
      if (told.error) throw new Error(told.error);
      ended = ended || Boolean(told.end);
      yield told;
    }
  }
  if (!ended) throw new Error("The server broke off. Try again.");
};
// What a critic wrote of a step, without its marks.
Subtext.critique = (text) => text.replace(/^\s*\**Reasoning:\**\s*/i, "").replace(/\s*\**SCORE:?[^]*$/i, "");
