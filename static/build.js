// Build: a form in which every parameter is explained, what it would cost, a trial of two scenarios, and the trees as they grow.
Subtext.build = (element) => Subtext.page(element, "Build", async () => {
  const { el, api, fill, guarded, many } = Subtext;
  const find = (id) => element.querySelector(`#${id}`);
  const [{ defaults, roles, critics }, sets] = await Promise.all([api("/api/build"), api("/api/sets")]);
  const sources = sets.filter((set) => set.scenarios);

  const input = (id, more) => el("input", { id: `st-${id}`, ...more });
  const number = (id, min, max, step) => input(id, { type: "number", min, max, step: step || 1, value: defaults[id] });
  const field = (label, control, hint) => el("label", {}, label, control, hint ? el("span", { class: "st-dim" }, hint) : null);
  const name = input("name", { maxlength: 120, placeholder: "Grown trees" });
  const source = el("select", { id: "st-source" }, el("option", { value: "0" }, "new scenarios, written by the council's model"), sources.map((set) => el("option", { value: set.id }, `scenarios of ${set.name} v${set.version} (${many(set.records, "record")})`)));
  const topics = input("topics", { placeholder: "travel, health, money", value: "travel, health" });
  const asked = new URLSearchParams(location.search);
  const critic = el("select", { id: "st-critic" }, critics.map((one) => el("option", { value: one.value, selected: one.value === asked.get("critic") }, one.label)));
  const per = number("per_topic", 1, 1000), limit = number("limit", 0, 100000);
  const parameters = [
    ["depth", "Levels of thoughts", "how deep a path may go before it is answered", 1, 12],
    ["beam", "Beam", "steps of a level that go on", 1, 50],
    ["branching", "Branching", "personas that propose at each step from the second level on; all five at the first", 1, 5],
    ["threshold", "Threshold", "steps that score less are cut", -1, 1, 0.05],
    ["similarity", "Similarity", "a step sharing this part of its words with a better sibling is a duplicate", 0.05, 1, 0.05],
    ["temperature", "Temperature", "of proposals; scores are always greedy", 0, 2, 0.1],
    ["max_tokens", "Tokens a reply", "longer replies are cut", 16, 8000],
    ["side_by_side", "Trees at once", "that grow side by side", 1, 256],
    ["seed", "Seed", "the same seed and replies give the same trees", 0, 2147483647],
  ].map(([id, label, hint, ...range]) => [id, label, hint, number(id, ...range)]);
  const outcome = el("div", { id: "st-cost", role: "status" });
  const fromTopics = [field("Topics, by comma", topics), field("Scenarios a topic", per)];
  const show = () => { for (const one of fromTopics) one.hidden = source.value !== "0"; };
  source.addEventListener("change", show);

  const spec = (trial) => ({
    kind: "build", name: name.value.trim() || "Grown trees", set: Number(source.value),
    topics: source.value === "0" ? topics.value.split(",").map((text) => text.trim()).filter(Boolean) : [],
    per_topic: trial ? Math.min(2, Number(per.value)) : Number(per.value), limit: trial ? 2 : Number(limit.value), critic: critic.value,
    ...Object.fromEntries(parameters.map(([id, , , control]) => [id, Number(control.value)])),
  });
  const start = guarded(async (trial) => {
    const { id } = await api("/api/jobs", { spec: spec(trial) });
    history.replaceState(history.state, "", `/build?job=${id}`);
    await watch(id);
  });
  const starter = roles.every((one) => one.kind === "starter");
  const look = guarded(async () => {
    const cost = await api("/api/build/estimate", { spec: spec(false) });
    fill(outcome, el("p", {}, el("b", {}, `${many(cost.trees, "tree")}, at most ${many(cost.calls, "model call")} and about ${cost.tokens.toLocaleString("en")} tokens. `),
      cost.minutes === null ? "How long it takes is known after the first calls: try two scenarios." : `About ${cost.minutes < 1 ? "a minute or less" : many(Math.round(cost.minutes), "minute")} at the pace of the last ${many(cost.measured, "call")}.`),
      el("div", { class: "st-actions" }, el("button", { class: "st-button", type: "button", id: "st-trial", onclick: () => start(true) }, "Try two scenarios"),
        el("button", { class: "st-button st-primary", type: "button", id: "st-begin", onclick: () => start(false) }, "Build trees")));
  });
  fill(find("st-plan"), el("p", { class: "st-dim" }, starter
    ? "The starter model that comes with Subtext plays every part: it shows the machinery, not quality. Connect a real model on the "
    : `${roles.map((one) => `${one.role}: ${one.model || "starter model"}`).join(", ")}; change it on the `, el("a", { href: "/settings" }, "Settings page"), "."),
    el("form", { class: "st-build", onsubmit: (event) => { event.preventDefault(); look(); } },
      el("div", { class: "st-form" }, field("Name of the new set", name), field("Scenarios", source), field("At most (0: all)", limit), el("button", { class: "st-button st-primary", id: "st-look" }, "Look at the cost")),
      el("div", { class: "st-form st-pair" }, fromTopics),
      el("div", { class: "st-form st-pair" }, field("Critic: scores every step", critic, "a trained critic of the Models page can be chosen here")),
      el("details", {}, el("summary", {}, "How the trees grow"), el("div", { class: "st-parameters" }, parameters.map(([, label, hint, control]) => field(label, control, hint))))), outcome);
  show();

  let timer = 0;
  const watch = guarded(async (id) => {
    clearTimeout(timer);
    find("st-live").hidden = false;
    const { job } = await api(`/api/jobs/${id}`);
    const { set } = await api(`/api/build/${id}`);
    const rows = set ? (await api(`/api/scenarios?set=${set}`)).rows : [];
    const alive = ["queued", "running", "cancelling"].includes(job.status);
    const told = job.result || {};
    const losses = [...Object.entries(told.lost || {}), ...Object.entries(told.unscored || {})];
    fill(find("st-growth"),
      el("p", { id: "st-growth-line" }, el("span", { class: "st-tag st-status", "data-status": job.status }, job.status), ` ${job.message || "It waits for its turn."} `, el("a", { href: `/jobs?job=${id}` }, "Job, log and command")),
      el("progress", { max: job.progress_total || 1, value: job.progress_done, "aria-label": "Trees grown" }),
      el("ul", { class: "st-next" }, rows.map((row) => el("li", {}, el("a", { href: `/trees?scenario=${row.id}&set=${set}` }, row.query), el("span", { class: "st-dim" }, `${many(row.nodes, "node")}${row.depth ? `, ${row.depth} deep` : ""}${row.best === null ? "" : `, best path ${Subtext.score(row.best)}`}`)))),
      losses.length ? el("details", { class: "st-problems" }, el("summary", {}, "What was lost or is unscored"), el("ul", {}, losses.map(([sentence, count]) => el("li", {}, `${count} × ${sentence}`)))) : null,
      told.calls === undefined ? null : el("p", { class: "st-dim" }, `${many(told.calls, "call")}, ${many(told.from_cache, "reply")} from the cache, ${told.tokens.toLocaleString("en")} tokens${told.near_duplicates ? `, ${many(told.near_duplicates, "near-duplicate")} rejected` : ""}.`));
    if (alive) timer = setTimeout(() => (document.hidden ? watchLater(id) : watch(id)), 1000);
  });
  const watchLater = (id) => { timer = setTimeout(() => (document.hidden ? watchLater(id) : watch(id)), 1000); };

  const withTrees = sets.filter((set) => set.trees);
  const choice = el("select", { id: "st-audit-set", "aria-label": "Set to audit" }, el("option", { value: "" }, "Choose a set…"), withTrees.map((set) => el("option", { value: set.id }, `${set.name} v${set.version} (${many(set.trees, "tree")})`)));
  const table = el("div", { class: "st-scroll" });
  const share = (value) => (value === null ? "–" : `${Math.round(100 * value)} %`);
  const num = (value) => (value === null ? "–" : value.toFixed(2).replace("-", "−"));
  choice.addEventListener("change", guarded(async () => {
    if (!choice.value) return fill(table);
    const found = await api(`/api/sets/${choice.value}/audit`);
    const head = ["Persona", "steps", "share", "survive by level", "mean score", "share of best paths", "overlap with siblings", "loss of R without it", "trees with no path without it"];
    fill(table, el("table", { class: "st-table" }, el("thead", {}, el("tr", {}, head.map((text) => el("th", {}, text)))),
      el("tbody", {}, found.map((row) => el("tr", {}, [row.persona, row.proposals, share(row.share), row.survival.map(share).join(" · "), num(row.scored), share(row.best_share), share(row.redundancy), num(row.loss), row.blocked].map((cell, index) => el("td", { class: index ? "st-number" : null }, cell)))))),
      el("p", { class: "st-dim" }, "Steps that do not say who proposed them stand under “unknown”. The loss is the drop of the best path's R(τ) when no path may go through this persona, over the trees that keep one."));
    table.tabIndex = 0;
  }));
  fill(find("st-audit"), withTrees.length ? [choice, table] : el("p", { class: "st-dim" }, "There is no tree yet."));

  const job = Number(asked.get("job"));
  if (job) await watch(job);
});
