// Score: a pasted response is split into steps; the critic's critiques stream in side by side and its scores colour the text.
Subtext.score_page = (element) => Subtext.page(element, "Score", async () => {
  const { el, api, fill, guarded, score, shade, many } = Subtext;
  const find = (id) => element.querySelector(`#${id}`);
  const { rubric, critics, most_samples: most, longest, longest_response: longestResponse } = await api("/api/score");
  const asked = new URLSearchParams(location.search);

  const area = (id, rows, maxlength, placeholder) => el("textarea", { id: `st-${id}`, rows, maxlength, placeholder, required: true });
  const preference = area("preference", 2, longest, "I don't share my live location.");
  const query = area("query", 2, longest, "I'm hiking alone this weekend. What should I plan?");
  const response = area("response", 12, longestResponse, "Step 1: …\nStep 2: …\nStep 3: the answer");
  const critic = el("select", { id: "st-critic" }, critics.map((one) => el("option", { value: one.value }, one.label)));
  if (critics.some((one) => one.value === asked.get("critic"))) critic.value = asked.get("critic");
  const samples = el("input", { id: "st-samples", type: "number", min: 1, max: most, value: 1 });
  const field = (label, control, hint) => el("label", {}, label, control, hint ? el("span", { class: "st-dim" }, hint) : null);
  const go = el("button", { class: "st-button st-primary", id: "st-score" }, "Score it");
  const stop = el("button", { class: "st-button", type: "button", id: "st-stop", hidden: true, onclick: () => running && running.abort() }, "Stop");
  let seed = Math.floor(Math.random() * 1000);
  const example = guarded(async () => {
    const found = await api(`/api/score/example?seed=${seed++}`);
    [preference.value, query.value, response.value] = [found.preference, found.query, found.response];
  });

  // What is kept of a step: its parts on the page, and the text that streamed in so far.
  let steps = [], running = null;
  const state = (text) => { find("st-judged-state").textContent = text; };
  const lay = ({ steps: found, notes }) => {
    steps = found.map((step, index) => {
      const chip = el("b", { class: "st-chip", "data-shade": "none" }, "…");
      const words = el("p", { class: "st-verbatim st-dim", "data-critique": "" }, "");
      const more = el("div", {});
      const item = el("li", { class: "st-judged-step", "data-shade": "none", "data-step": index + 1 },
        el("div", { class: "st-judged-head" }, chip, el("span", { class: "st-dim" }, `Step ${index + 1}`)), el("p", { class: "st-verbatim" }, step.text), words, more);
      return { item, chip, words, more, text: "", score: undefined };
    });
    fill(find("st-judged"), notes.map((note) => el("li", { class: "st-note" }, note)), steps.map((step) => step.item));
  };
  const piece = ({ step, piece: text, fresh }) => {
    const one = steps[step];
    one.text = fresh ? "" : one.text + text;
    one.words.textContent = Subtext.critique(one.text);
  };
  const done = ({ step, done: told }) => {
    const one = steps[step];
    one.score = told.score;
    for (const part of [one.chip, one.item]) part.dataset.shade = shade(told.score);
    const band = rubric.find((item) => item.key === told.band);
    one.chip.textContent = told.score === null ? "unscored" : score(told.score);
    one.chip.nextSibling.textContent = `Step ${one.item.dataset.step}${band ? ` · ${band.label}` : ""}`;
    one.words.textContent = told.score === null ? told.why : told.critique;
    if (told.samples.length > 1) {
      const spread = told.spread === null ? "" : `, spread ${told.spread.toFixed(2)}`;
      fill(one.more, el("details", {}, el("summary", {}, `${many(told.samples.length, "sample")}: ${told.samples.map((sample) => (sample.score === null ? "unscored" : score(sample.score))).join(" · ")}${spread}`),
        el("ul", {}, told.samples.map((sample) => el("li", { class: "st-verbatim" }, el("b", {}, score(sample.score)), ` ${sample.critique || sample.why}`)))));
    }
  };
  const summary = () => {
    const scored = steps.filter((step) => typeof step.score === "number");
    const mean = scored.reduce((sum, step) => sum + step.score, 0) / (scored.length || 1);
    const rest = steps.length - scored.length;
    return `${many(steps.length, "step")}${scored.length ? `, mean score ${score(mean)}` : ""}${rest ? `; ${rest} unscored and left out of the mean` : ""}.`;
  };
  const start = guarded(async () => {
    if (running) running.abort();
    const own = (running = new AbortController());
    go.disabled = true; stop.hidden = false;
    fill(find("st-judged"));
    state("Opening the critic; the first time a local model takes a few seconds.");
    const body = { preference: preference.value, query: query.value, response: response.value, samples: Number(samples.value), critic: critic.value };
    let name = "";
    try {
      for await (const told of Subtext.lines("/api/score", body, own.signal)) {
        if (told.steps) lay(told);
        else if (told.critic !== undefined) { name = told.critic; state(`${name} judges ${many(steps.length, "step")}…`); }
        else if (told.done) done(told);
        else if (told.piece !== undefined) piece(told);
      }
      state(`${name}: ${summary()}`);
      find("st-judged").dataset.done = "true";
    } catch (error) {
      state(own.signal.aborted ? `Stopped. ${steps.length ? summary() : ""}` : error.message);
      if (!own.signal.aborted) throw error;
    } finally {
      if (running === own) { running = null; go.disabled = false; stop.hidden = true; }
    }
  });
  fill(find("st-paste"), el("form", { class: "st-build", onsubmit: (event) => { event.preventDefault(); start(); } },
    field("Preference", preference), field("Query", query), field("Response", response, "Steps begin with “Step 1:” at the start of a line. Without them every paragraph is a step."),
    el("div", { class: "st-form" }, field("Critic", critic), field("Samples of each step", samples, "more than one: averaged, with their spread")),
    el("div", { class: "st-actions" }, go, stop, el("button", { class: "st-button", type: "button", id: "st-example", onclick: example }, "Use an example"))));
  Subtext.keys({ e: ["use an example", example], s: ["score it", start] });
});
