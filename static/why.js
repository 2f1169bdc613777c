// "Why this?" of a response: where its model looked while it answered, and what each sentence owes to the preference; and what an
// edited preference shifts. A server without a checkpoint here says so in a sentence.
(() => {
  "use strict";
  const Subtext = (window.Subtext = window.Subtext || {});
  let form = null;
  const words = async () => (form = form || (await Subtext.api("/api/attention")));
  const look = ({ preference, query, before, method, policy, answer }) => Subtext.api("/api/attention", { preference, query, before, method, model: policy, answer });
  const asking = (text, name, act) => {
    const { el, fill } = Subtext, field = el("div", { class: "st-why", "data-why": name }), state = el("p", { class: "st-dim", "aria-live": "polite" });
    const button = el("button", { class: "st-button", type: "button", "data-ask-why": name, onclick: async () => {
      button.disabled = true;
      state.textContent = "Looking; the first time a model takes a few seconds.";
      try { fill(field, ...(await act())); state.textContent = ""; button.hidden = true; } catch (error) { state.textContent = error.message; button.disabled = false; }
    } }, text);
    return el("div", { class: "st-why" }, button, state, field);
  };

  // `asked`: what the response answered, with its text as `answer`.
  Subtext.whyThis = (asked) => asking("Why this?", "this", async () => {
    const { el } = Subtext, told = await words(), found = await look(asked), one = await Subtext.attentionSlice(found.of);
    one.model = found.model;
    const view = el("div"), meter = el("div");
    // The ribbon measures its text, so it is drawn once it stands on the page.
    setTimeout(() => { Subtext.attentionView(view, [one], told.notice); Subtext.useMeter(meter, found.use, found.said, told.meaning); });
    return [el("h3", {}, "Where it looked, and what each sentence owes to the preference"), view, meter, el("p", {}, el("a", { href: `/attention?of=${found.of}` }, "The same on the Attention page"))];
  });

  // `asked` before and after the edit: attention on the preference in both prompts.
  Subtext.attentionShift = (before, after) => asking("What it shifts in the attention", "shift", async () => {
    const { el } = Subtext, { scroll } = Subtext.evaluating, told = await words(), seen = [];
    for (const one of [before, after]) { const found = await look({ ...one, answer: "" }); seen.push({ ...(await Subtext.attentionSlice(found.of)), of: found.of }); }
    const cell = (one, name) => el("td", { class: "st-number", "data-shift": name }, one.figures ? Subtext.attentionValue(name, one.figures[name]) : "–");
    return [el("h3", {}, "Attention on the preference"), scroll("Attention before and after", el("table", { class: "st-table" }, el("thead", {}, el("tr", {}, ["Number", "Before", "After"].map((name, place) => el("th", { scope: "col", class: place ? "st-number" : null }, name)))), el("tbody", {}, Subtext.attentionNames.map(([name, label, meaning]) => el("tr", { title: meaning }, el("th", { scope: "row" }, label), seen.map((one) => cell(one, name))))))),
      el("p", { class: "st-note" }, told.notice), el("p", {}, el("a", { href: `/attention?of=${seen.map((one) => one.of).join(",")}` }, "Both on the Attention page"))];
  });
})();
