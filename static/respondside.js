// One side of the Respond page: a model's answers to a conversation, steps as they are written, judgements as they come, what an edit changed.
Subtext.side = (place, rubric, free) => {
  const { el, fill, score, shade } = Subtext;
  const head = el("h2", { id: `st-side-${place}-title` }, place ? "Right" : "Left"), state = el("p", { class: "st-dim", role: "status", "data-state": "" });
  const turns = el("div", { class: "st-said-turns" }), now = el("div", { class: "st-now" });
  const box = el("section", { class: "st-card st-written", "data-side": place, "aria-labelledby": `st-side-${place}-title` }, head, state, turns, now);
  let running = null;

  // A step as it stands on the page; its text may still grow.
  const step = (number) => {
    const chip = el("b", { class: "st-chip", "data-shade": "none" }, "…"), label = el("span", { class: "st-dim" }, `Step ${number + 1}`);
    const text = el("p", { class: "st-verbatim" }), critique = el("p", { class: "st-verbatim st-dim", "data-critique": "" });
    const item = el("li", { class: "st-judged-step", "data-shade": "none", "data-step": number + 1 }, el("div", { class: "st-judged-head" }, chip, label), text, critique);
    return { item, chip, label, text, critique, said: "", score: undefined };
  };
  const judged = (one, told) => {
    one.score = told.score;
    for (const part of [one.chip, one.item]) part.dataset.shade = shade(told.score);
    one.chip.textContent = told.score === null ? "unscored" : score(told.score);
    const band = rubric.find((item) => item.key === told.band);
    if (band) one.label.textContent += ` · ${band.label}`;
    one.critique.textContent = told.score === null ? told.why : told.critique;
  };

  // Write one response; resolves to what it came to, or null where it was stopped or failed.
  const write = async (body, query) => {
    if (running) running.abort();
    const own = (running = new AbortController());
    const list = el("ol", { class: "st-judged" }), growing = el("p", { class: "st-verbatim st-growing-text" }), answer = el("div", { class: "st-answer", hidden: true });
    fill(now, query ? el("p", { class: "st-asked st-verbatim" }, query) : null, list, growing, answer);
    const steps = [], made = { text: "", steps: [], answer: null, finished: null };
    // Places count characters, not halves of them: `rest` is what no whole step holds yet.
    const rest = () => Array.from(made.text).slice(shown).join("");
    let shown = 0, names = null;
    const at = (number) => { while (steps.length <= number) { const fresh = step(steps.length); fresh.chip.hidden = body.critic === "none"; steps.push(fresh); list.append(fresh.item); } return steps[number]; };
    state.textContent = "Opening the model; the first time a local one takes a few seconds.";
    box.dataset.state = "running";
    try {
      for await (const told of Subtext.lines("/api/respond", body, own.signal)) {
        if (told.names) { names = told.names; state.textContent = `${names.policy} writes${names.critic ? `, ${names.critic} judges` : ""}…`; }
        else if (told.text !== undefined) { made.text += told.text; growing.textContent = shown ? rest() : made.text; }
        else if (told.whole) { const one = at(told.step); one.text.textContent = told.whole.text; made.steps.push(told.whole.text); shown = Math.max(shown, told.whole.end); growing.textContent = rest(); }
        else if (told.done) judged(at(told.step), told.done);
        else if (told.piece !== undefined) { const one = at(told.step); one.said = told.fresh ? "" : one.said + told.piece; one.critique.textContent = Subtext.critique(one.said); }
        else if (told.finished) {
          made.finished = told.finished; made.answer = told.finished.answer;
          const { cut, failed, why, notes, how } = told.finished;
          growing.textContent = cut || failed ? rest().trim() : "";
          const last = steps[steps.length - 1];
          // A text that is one step is its own answer.
          if (how === "whole" && last) last.label.textContent = last.label.textContent.replace(/^Step \d+/, "The whole answer");
          if (made.answer !== null && how === "markers" && last) last.label.textContent = last.label.textContent.replace(/^Step \d+/, (text) => `${text}, the answer`);
          fill(answer, el("h3", {}, "Answer"), made.answer === null ? el("p", { class: "st-warning" }, failed || (cut ? "It came to its longest and was cut off. Allow more tokens under Settings." : why)) : el("p", { class: "st-verbatim", "data-answer": "" }, made.answer), how === "markers" || body.method !== "step_by_step" ? null : notes.map((text) => el("p", { class: "st-note" }, text)));
          answer.hidden = how === "whole" && made.answer !== null && steps.length === 1;
          state.textContent = names.critic ? `${names.policy} is done; ${names.critic} judges what is left…` : `${names.policy} is done.`;
        }
      }
      const scores = steps.map((one) => one.score).filter((value) => typeof value === "number");
      made.scores = steps.map((one) => (typeof one.score === "number" ? one.score : null));
      made.model = names.policy;
      state.textContent = `${names.policy}: ${Subtext.many(steps.length, "step")}${scores.length ? `, mean score ${score(scores.reduce((sum, value) => sum + value, 0) / scores.length)}` : ""}.`;
      made.asked = { ...body, answer: made.text };
      if (free && made.text.trim()) now.append(Subtext.whyThis(made.asked));
      box.dataset.state = made.answer === null ? "failed" : "done";
      return made;
    } catch (error) {
      if (running !== own) return null; // another one began
      box.dataset.state = own.signal.aborted ? "stopped" : "failed";
      state.textContent = own.signal.aborted ? "Stopped. What was written stays." : error.message;
      if (growing.textContent) growing.append(" …");
      return null;
    } finally {
      if (running === own) running = null;
    }
  };

  // A turn that is over, folded into the question, its steps and the answer.
  const fold = (query, made) => {
    turns.append(el("div", { class: "st-folded" }, el("p", { class: "st-asked st-verbatim" }, query), made.steps.length ? el("details", {}, el("summary", {}, Subtext.many(made.steps.length, "step")), el("ol", { class: "st-judged" }, made.steps.map((text, place) => el("li", { class: "st-judged-step", "data-shade": shade(made.scores[place]) }, el("div", { class: "st-judged-head" }, el("b", { class: "st-chip", "data-shade": shade(made.scores[place]) }, score(made.scores[place])), el("span", { class: "st-dim" }, `Step ${place + 1}`)), el("p", { class: "st-verbatim" }, text))))) : null, el("p", { class: "st-verbatim" }, made.answer)));
    fill(now);
  };
  const pieces = (diff) => diff.map((piece) => [el(piece.what === "same" ? "span" : piece.what === "gone" ? "del" : "ins", {}, piece.text), " "]);
  const apart = (one, two) => (one === null || two === null || one === undefined || two === undefined ? "" : ` (${two - one >= 0 ? "+" : "−"}${Math.abs(two - one).toFixed(2)})`);
  // Before and after an edit: steps beside each other with their scores, the answers word by word.
  const compared = (before, after, change) => fill(now, el("div", { class: "st-change" },
    el("h3", {}, "What changed in the answer"), change.answer.every((piece) => piece.what === "same") ? el("p", { class: "st-dim" }, "Nothing: the answer is the same, word by word.") : null, el("p", { class: "st-verbatim st-diff", "data-diff": "" }, pieces(change.answer)),
    el("details", { open: true }, el("summary", {}, "Steps before and after"), el("ol", { class: "st-judged" }, change.steps.map((one) => {
      const was = one.before === null ? undefined : before.scores[one.before], is = one.after === null ? undefined : after.scores[one.after];
      const chip = (value) => el("b", { class: "st-chip", "data-shade": shade(value) }, score(value));
      return el("li", { class: "st-judged-step", "data-shade": shade(is ?? was) }, el("div", { class: "st-judged-head" }, was === undefined ? null : chip(was), was !== undefined && is !== undefined ? "→" : null, is === undefined ? null : chip(is), el("span", { class: "st-dim" }, one.before === null ? `new step ${one.after + 1}` : one.after === null ? `step ${one.before + 1} is gone` : `step ${one.before + 1}${one.before === one.after ? "" : ` is step ${one.after + 1} now`}${apart(was, is)}`)), el("p", { class: "st-verbatim st-diff" }, pieces(one.diff)));
    }))), free && before.asked && after.asked ? Subtext.attentionShift(before.asked, after.asked) : null));
  return { box, write, fold, compared, stop: () => running && running.abort(), name: (text) => { head.textContent = text; }, clear: () => { fill(turns); fill(now); state.textContent = ""; } };
};
