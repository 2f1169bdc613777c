// What a training writes now: the best and the worst response to one prompt of an update, each step with its score.
Subtext.samples = (box, job, current) => {
  const { el, api, fill, guarded, score, shade } = Subtext;
  let shown = "", pinned = false, turn = 0; // pinned: a person looks at an earlier update, so a new one does not push in front

  const response = (one) => el("article", { class: "st-written" },
    el("h4", {}, el("span", { class: "st-chip", "data-shade": shade(one.score) }, one.score === null ? "unscored" : score(one.score)), ` ${one.which}`, one.truncated ? el("span", { class: "st-tag" }, "cut off") : null),
    one.steps.length ? el("ol", {}, one.steps.map((step) => el("li", { class: "st-written-step", "data-shade": shade(step.score), title: step.why || null }, el("span", { class: "st-written-score" }, step.score === null ? "–" : score(step.score)), el("span", { class: "st-verbatim" }, step.text)))) : el("p", { class: "st-verbatim st-dim" }, one.text || "It is empty."));
  const draw = (told) => {
    if (told.update === null || !told.responses.length) return fill(box);
    const at = told.updates.indexOf(told.update), newest = at === told.updates.length - 1;
    const step = (by, label) => el("button", { class: "st-button st-quiet", type: "button", disabled: told.updates[at + by] === undefined, onclick: () => show(told.updates[at + by]) }, label);
    fill(box, el("div", { class: "st-written-head" }, el("h3", {}, `What it wrote at update ${told.update}`), step(-1, "← Before"), step(1, "After →"), newest ? null : el("button", { class: "st-button st-quiet", type: "button", onclick: () => show(null) }, "Newest"),
      el("a", { href: `/rollouts?job=${job}&update=${told.update}&group=${told.group}` }, "Every token of it")),
      el("p", {}, el("b", {}, "Preference "), told.preference, el("br"), el("b", {}, "Query "), told.query),
      el("div", { class: "st-written-two" }, told.responses.map(response)));
  };
  const show = guarded(async (update) => {
    const mine = ++turn;
    const told = await api(`/api/train/${job}/samples${update === null ? "" : `?update=${update}`}`);
    if (mine !== turn || !current()) return;
    pinned = update !== null && told.update !== told.updates.at(-1);
    const now = JSON.stringify(told);
    if (now !== shown) draw(told); // else focus and selected text would be lost for nothing
    shown = now;
  });
  // Called while a run goes on: follows the newest update unless a person went back.
  return () => (pinned ? undefined : show(null));
};
