// One training example as tokens: which are prompt, critique, score, and which would be cut; stepping through all of them.
Subtext.tokens = (box, load) => {
  const { el, fill, many, guarded } = Subtext;
  const PARTS = [["prompt", "prompt, read but not trained on"], ["critique", "critique, trained on"], ["score", "score, trained on"]];
  let seen = null, at = 0, side = "", turn = 0;

  const rows = () => seen.rows.filter((row) => !side || row.side === side);
  const rowOf = (index) => seen.rows.findLast((row) => row.first <= index);
  const allowed = (index) => { const row = rowOf(index); return !row || !side || row.side === side; };
  const next = (by) => {
    for (let index = at + by; index >= 0 && index < seen.examples; index += by) if (allowed(index)) return index;
    return null;
  };
  const button = (text, id, act) => el("button", { class: "st-button", type: "button", id, onclick: act }, text);
  const before = button("← Previous", "st-example-before", () => move(-1));
  const after = button("Next →", "st-example-after", () => move(1));
  const where = el("span", { class: "st-dim", id: "st-example-place", role: "status" });
  const scenario = el("select", { id: "st-example-scenario", "aria-label": "Scenario", onchange: () => show(Number(scenario.value)) });
  const step = el("select", { id: "st-example-step", "aria-label": "Example of this scenario", onchange: () => show(Number(step.value)) });
  const which = el("select", { id: "st-example-side", "aria-label": "Which examples", onchange: () => { side = which.value; options(); const first = allowed(at) ? at : rows()[0]?.first; if (first === undefined) { side = which.value = ""; options(); Subtext.toast("There is no example on that side."); } else show(first); } },
    [["", "all examples"], ["train", "to train on"], ["held_out", "held out"]].map(([value, text]) => el("option", { value }, text)));
  const body = el("div");
  const options = () => fill(scenario, rows().map((row) => el("option", { value: row.first }, `${row.place}. ${row.query}`)));
  const legend = el("p", { class: "st-token-legend" }, PARTS.map(([name, text]) => el("span", { class: `st-token st-token-${name}` }, text)), el("span", { class: "st-token st-token-critique st-token-cut" }, "cut: above the longest example"));

  // Line breaks are shown as a sign too: a token may be nothing else.
  const text = (token) => token.replace(/\n/g, "↵\n");
  const draw = (example) => {
    const row = rowOf(example.at), href = row ? `/trees?${new URLSearchParams({ scenario: row.scenario, set: seen.set.id, node: example.node })}` : null;
    const cut = Math.max(0, example.length - seen.lengths.limit);
    const groups = [[], [], []];
    example.tokens.forEach(([token, part], index) => {
      const position = example.left_out && index >= 2500 ? index + example.left_out : index;
      if (example.left_out && index === 2500) groups[part].push(el("b", {}, ` … ${many(example.left_out, "token")} … `));
      groups[part].push(el("span", { class: `st-token st-token-${PARTS[part][0]}${position >= seen.lengths.limit ? " st-token-cut" : ""}` }, text(token)));
    });
    const field = el("div", { class: "st-tokens", tabindex: "0", role: "group", "aria-label": "Tokens of the example" }, groups.map((own, part) => (own.length ? el("span", { role: "group", "aria-label": PARTS[part][1] }, own) : null)));
    fill(body, el("p", { class: "st-example-head" }, el("span", { class: "st-chip", "data-shade": Subtext.shade(example.score) }, Subtext.score(example.score)),
      ` Scenario ${example.place}, step ${example.node}`, el("span", { class: "st-dim" }, ` · ${[example.kind, example.persona, many(example.length, "token")].filter(Boolean).join(" · ")} `),
      row ? el("span", { class: "st-tag" }, row.side === "train" ? "to train on" : "held out") : null, " ", href ? el("a", { href }, "Open the step in its tree") : null),
    cut ? el("p", { class: "st-warning", id: "st-example-cut" }, `${many(cut, "token")} of ${example.length.toLocaleString("en")} would be cut, the score first; so a training with this limit does not start.`) : null, field);
    const trained = field.querySelector(".st-token-critique, .st-token-score");
    if (trained) field.scrollTop = Math.max(0, trained.offsetTop - 120);
  };
  const show = guarded(async (index) => {
    const mine = (turn += 1);
    at = index;
    const row = rowOf(index);
    if (row) {
      scenario.value = row.first;
      fill(step, Array.from({ length: row.steps }, (_, n) => el("option", { value: row.first + n }, `${n + 1} of ${row.steps}`)));
      step.value = index;
    }
    where.textContent = `Example ${(index + 1).toLocaleString("en")} of ${seen.examples.toLocaleString("en")}`;
    const slow = setTimeout(() => { if (mine === turn) fill(body, el("p", { class: "st-dim" }, "Tokenising…")); }, 400);
    try {
      const example = await load(index);
      if (mine === turn) draw(example);
    } finally { clearTimeout(slow); }
    if (mine !== turn) return;
    before.disabled = next(-1) === null;
    after.disabled = next(1) === null;
  });
  const move = (by) => { const to = seen && !seen.problem ? next(by) : null; if (to !== null) show(to); };
  const jump = (by) => {
    if (!seen || seen.problem) return;
    const all = rows(), index = all.findIndex((row) => row.first === rowOf(at)?.first);
    const to = all[index + by];
    if (to) show(to.first);
  };
  Subtext.keys({ ArrowLeft: ["example before", () => move(-1)], ArrowRight: ["next example", () => move(1)], "[": ["scenario before", () => jump(-1)], "]": ["next scenario", () => jump(1)] });
  return {
    // `found` is the preview of the set; `again` keeps the example that is looked at.
    take(found, again) {
      seen = found;
      if (found.problem || !found.examples) { fill(box, found.problem ? el("p", { class: "st-warning" }, found.problem) : null); return Promise.resolve(); }
      options();
      fill(box, el("div", { class: "st-toolbar" }, before, after, which, scenario, step, where), legend, body);
      return show(again && at < found.examples ? at : rows()[0]?.first ?? 0);
    },
  };
};
