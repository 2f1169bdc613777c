// Train a critic: a form in which every setting is explained, what the critic would learn from, what is checked, and the start.
Subtext.critic = (element) => Subtext.page(element, "Train a critic", async () => {
  const { el, api, fill, guarded, many } = Subtext;
  const find = (id) => element.querySelector(`#${id}`);
  const query = new URLSearchParams(location.search);
  const [form, sets] = await Promise.all([api("/api/critic"), api("/api/sets")]);
  const withTrees = sets.filter((set) => set.trees);
  if (!withTrees.length) {
    fill(find("st-critic-form"), el("p", {}, "There is no set with trees yet. ", el("a", { href: "/data" }, "Import one"), " or ", el("a", { href: "/build" }, "build one"), "; its scored steps are what a critic learns from."));
    for (const id of ["st-critic-data", "st-critic-check"]) find(id).closest("section").hidden = true;
    return;
  }

  // The form. Each field knows how to read and write its value.
  const number = (field) => el("input", { type: "number", step: field.type === "integer" ? 1 : "any", min: field.low, max: field.high, required: true });
  const controls = Object.fromEntries(form.fields.map((field) => {
    const id = `st-${field.name}`;
    if (field.name === "set") {
      const control = el("select", {}, withTrees.map((set) => el("option", { value: set.id }, `${set.name} v${set.version} (${many(set.trees, "tree")})`)));
      return [field.name, { id, control, read: () => Number(control.value), write: (value) => { control.value = value; } }];
    }
    if (field.type === "boolean") {
      const control = el("input", { type: "checkbox" });
      return [field.name, { id, control, read: () => control.checked, write: (value) => { control.checked = value; } }];
    }
    if (field.type === "array") {
      const boxes = field.choices.map((choice) => el("input", { type: "checkbox", value: choice }));
      const control = el("span", { class: "st-choices", role: "group", "aria-label": field.label }, boxes.map((box) => el("label", { class: "st-check" }, box, box.value)));
      return [field.name, { id, control, many: true, read: () => boxes.filter((box) => box.checked).map((box) => box.value), write: (value) => { for (const box of boxes) box.checked = value.includes(box.value); } }];
    }
    if (field.choices) {
      const control = el("select", {}, field.choices.map((choice) => el("option", {}, choice)));
      return [field.name, { id, control, read: () => control.value, write: (value) => { control.value = value; } }];
    }
    if (field.type === "string") {
      const control = el("input", { maxlength: field.longest, ...(field.name === "base" ? { list: "st-bases", placeholder: "starter model", spellcheck: "false" } : {}) });
      return [field.name, { id, control, read: () => control.value.trim(), write: (value) => { control.value = value; } }];
    }
    const control = number(field);
    return [field.name, { id, control, read: () => (control.value === "" ? null : Number(control.value)), write: (value) => { control.value = String(value); } }];
  }));
  for (const { id, control } of Object.values(controls)) control.id = id;

  let preset = "starter";
  const spec = () => ({ kind: "critic", ...Object.fromEntries(Object.entries(controls).map(([name, { read }]) => [name, read()])), name: controls.name.read() || "Critic" });
  const same = (one, two) => JSON.stringify(one) === JSON.stringify(two);
  const labels = {};
  const line = (field) => {
    const { control, many: several } = controls[field.name];
    const changed = (labels[field.name] = el("b", { class: "st-changed", hidden: true }, " · changed"));
    return Subtext.setting({ ...field, type: several ? "array" : field.type }, control, changed);
  };
  const part = (name) => form.fields.filter((field) => field.part === name).map(line);
  const applies = el("p", { class: "st-dim", id: "st-applies" });
  const summary = el("p", { class: "st-dim", id: "st-recipe" });
  const ABOUT = { starter: "shows the machinery on a CPU in minutes", untrained: "the same from weights that know nothing", paper: "the setting of the CDRA paper, for a GPU" };
  const presets = Object.keys(form.presets).map((name) => el("button", { class: "st-button", type: "button", "data-preset": name, onclick: () => { choose(name); later(0); } }, `${name}: ${ABOUT[name] || "a starting point"}`));
  const mark = () => {
    const now = spec();
    for (const one of presets) one.setAttribute("aria-pressed", one.dataset.preset === preset);
    for (const [name, value] of Object.entries(form.presets[preset])) if (labels[name]) labels[name].hidden = same(now[name], value);
    const effective = now.batch * now.accumulate;
    summary.textContent = `${now.lora_rank ? `A LoRA of rank ${now.lora_rank}` : "All weights"} at a learning rate of ${now.learning_rate}, ${many(now.epochs, "epoch")}${now.updates ? ` but at most ${many(now.updates, "update")}` : ""}, ${many(effective, "example")} an update, up to ${(now.max_length || 0).toLocaleString("en")} tokens each.`;
    if (!controls.updates.control.value) summary.textContent = "A number is missing in the settings.";
  };
  const choose = (name) => {
    preset = name;
    for (const [field, value] of Object.entries(form.presets[name])) controls[field].write(value);
    mark();
  };
  const sections = [["data", "Data"], ["learning", "Learning"], ["report", "Report"], ["machine", "Machine"]];
  fill(find("st-critic-form"), el("p", { class: "st-dim" }, "A critic reads a preference, a query and the steps so far, writes what it thinks of the last step, and gives it a score. It learns that from the scored steps of a set."),
    el("div", { class: "st-actions", role: "group", "aria-label": "Preset" }, presets),
    el("form", { onsubmit: (event) => { event.preventDefault(); later(0); } },
      el("div", { class: "st-parameters st-critic-what" }, part("what")), applies, summary,
      el("details", { id: "st-settings" }, el("summary", {}, "Every setting"), sections.map(([name, title]) => [el("h3", {}, title), el("div", { class: "st-parameters" }, part(name))]))),
    el("datalist", { id: "st-bases" }, form.bases.map((base) => el("option", { value: base.value }, base.label))));
  choose(form.presets[query.get("preset")] ? query.get("preset") : "starter");
  const wanted = Number(query.get("set"));
  controls.set.write(withTrees.some((set) => set.id === wanted) ? wanted : withTrees.at(-1).id);
  if (query.get("base") !== null) controls.base.write(query.get("base").slice(0, 1000));
  controls.name.write("Critic");
  mark();

  // What it would learn from.
  const tokens = el("div"), data = el("div");
  const viewer = Subtext.tokens(tokens, (at) => api("/api/critic/example", { spec: spec(), at }));
  const stepLink = (finding, text) => (finding.id ? el("a", { href: `/trees?${new URLSearchParams({ scenario: finding.id, set: spec().set, node: finding.node })}` }, text) : null);
  const KINDS = { nothing: "nothing to learn", out_of_range: "score out of range", unreadable: "cannot be read back", same_critique: "same critique", no_score: "no score", no_critique: "no critique", tone: "words against the score", histogram: "scores in one band", split: "split" };
  const found = (group) => el("details", { class: "st-finding", "data-kind": group.kind, open: Boolean(group.blocking) },
    el("summary", {}, el("span", { class: `st-tag ${group.blocking ? "st-level-blocking" : "st-level-warning"}` }, group.blocking ? "blocks" : "warning"), ` ${KINDS[group.kind] || group.kind}: ${many(group.total, "finding")}${group.blocking && group.blocking < group.total ? `, ${group.blocking.toLocaleString("en")} of them block` : ""}`),
    el("p", { class: "st-dim" }, group.meaning),
    el("ul", {}, group.findings.map((one) => el("li", {}, stepLink(one, `Scenario ${one.scenario}, step ${one.node}`), one.id ? ": " : null, one.sentence, one.blocking ? el("b", { class: "st-bad-text" }, " Blocks.") : null))),
    group.total > group.findings.length ? el("p", { class: "st-dim" }, `The first ${group.findings.length} of ${group.total.toLocaleString("en")} are shown.`) : null);
  const share = (value) => `${Number((100 * value).toFixed(1))} %`;
  const splitSentence = (seen) => {
    const now = spec(), all = seen.train.scenarios + seen.held_out.scenarios, drawn = `${share(now.held_out)} of them held out, drawn with seed ${now.seed}`;
    if (!seen.drawn) return "Every scenario states its own split in the set, so nothing is drawn.";
    return seen.drawn === all ? `The set states no split: ${drawn}.` : `${many(all - seen.drawn, "scenario")} state their split in the set; of the other ${seen.drawn.toLocaleString("en")}, ${drawn}.`;
  };
  const sideList = (seen, side, title) => el("div", { class: "st-count" }, el("b", {}, seen[side].steps.toLocaleString("en")), el("span", {}, `${seen[side].steps === 1 ? "step" : "steps"} ${title}, of ${many(seen[side].scenarios, "scenario")}`),
    el("details", {}, el("summary", {}, "Which scenarios"), el("ul", { class: "st-side", tabindex: "0", "aria-label": `Scenarios ${title}` }, seen.rows.filter((row) => row.side === side).map((row) => el("li", {}, el("a", { href: `/trees?${new URLSearchParams({ scenario: row.scenario, set: seen.set.id })}` }, row.query), el("span", { class: "st-dim" }, ` ${many(row.steps, "step")}, ${row.stated ? "stated" : "drawn"}`)))),
      seen.more_rows ? el("p", { class: "st-dim" }, `${many(seen.more_rows, "more scenario")} not listed.`) : null));
  const lengths = (long) => {
    if (!long.measured) return null;
    const width = 640, height = 130, top = 16, end = Math.max(long.bins.length * long.width, Math.min(long.limit * 1.04, 3 * long.longest));
    const most = Math.max(...long.bins), x = (count) => (count / end) * width, here = long.limit <= end;
    const bars = long.bins.map((count, index) => count ? el("svg:rect", { class: `st-length-bar ${index * long.width >= long.limit ? "st-length-over" : ""}`, x: x(index * long.width) + 0.5, width: Math.max(1, x(long.width) - 1), y: height - (count / most) * (height - top), height: (count / most) * (height - top) }, el("svg:title", {}, `${index * long.width} to ${(index + 1) * long.width - 1} tokens: ${many(count, "example")}`)) : null);
    const anchor = here && x(long.limit) > width - 120 ? "end" : "start";
    return el("figure", { class: "st-figure", id: "st-lengths" },
      el("figcaption", {}, `${long.measured < long.total ? `Measured: ${long.measured.toLocaleString("en")} of ${many(long.total, "example")}, a tenth of them the longest by characters. ` : ""}Half of the examples have at most ${long.median.toLocaleString("en")} tokens, the longest ${long.longest.toLocaleString("en")}. `,
        long.cut ? el("b", { class: "st-bad-text" }, `${many(long.cut, "example")} would be cut at ${long.limit.toLocaleString("en")}.`) : `None is longer than ${long.limit.toLocaleString("en")}.`),
      el("svg:svg", { viewBox: `0 0 ${width} ${height + 18}`, role: "img", "aria-label": `Histogram of lengths in tokens: median ${long.median}, longest ${long.longest}, ${long.cut} longer than ${long.limit}` }, bars,
        el("svg:line", { class: "st-axis", x1: 0, x2: width, y1: height, y2: height }),
        here ? [el("svg:line", { class: "st-length-limit", x1: x(long.limit), x2: x(long.limit), y1: 2, y2: height }), el("svg:text", { class: "st-tick", x: x(long.limit) + (anchor === "end" ? -5 : 5), y: 13, "text-anchor": anchor }, `limit ${long.limit.toLocaleString("en")}`)] : el("svg:text", { class: "st-tick", x: width, y: 13, "text-anchor": "end" }, `limit ${long.limit.toLocaleString("en")} →`),
        [0, 0.5, 1].map((at) => el("svg:text", { class: "st-tick", x: at * width, y: height + 15, "text-anchor": at === 0 ? "start" : at === 1 ? "end" : "middle" }, Math.round(at * end).toLocaleString("en")))));
  };
  const checkedSentence = ({ labels: own, corrected, left_out: open, stale: changed }) => {
    if (!own && !open && !changed) return "Nobody has checked a step of this set yet, so there is no correction to train with.";
    return `People checked this set: ${many(own, "step")} ${own === 1 ? "has" : "have"} a label from them, ${corrected.toLocaleString("en")} of them corrected${open ? `; ${open.toLocaleString("en")} judged wrong without a whole correction would be left out` : ""}${changed ? `; ${changed.toLocaleString("en")} changed since they were checked and keep their own label` : ""}.`;
  };
  const drawData = (seen) => {
    applies.textContent = checkedSentence(seen.checked);
    fill(data, el("div", { class: "st-counts st-sides-of-split" }, sideList(seen, "train", "to train on"), sideList(seen, "held_out", "held out")),
      el("p", { class: "st-dim", id: "st-split" }, splitSentence(seen)),
      seen.growing ? el("p", { class: "st-note" }, `${many(seen.growing, "tree")} of this set are still growing; look again when they are done.`) : null,
      el("h3", {}, "Lint"), seen.groups.length ? el("div", { id: "st-lint" }, seen.groups.map(found)) : el("p", { id: "st-lint" }, "Nothing odd: every step has a score and a critique that fit together."),
      el("div", { class: "st-two" }, seen.lengths.measured ? el("div", {}, el("h3", {}, "Lengths in tokens"), lengths(seen.lengths)) : null, el("div", {}, el("h3", {}, "Scores"), Subtext.histogram(seen.histogram, seen.rubric))));
  };

  // What is checked before it starts.
  const checked = Subtext.preflight(find("st-critic-check"), { what: "training", text: "Train the critic", names: { verdict: "st-verdict", begin: "st-start", command: "st-critic-command", copy: "st-copy" }, act: () => start() });

  const status = el("p", { class: "st-dim", role: "status", id: "st-reading" });
  fill(find("st-critic-data"), status, data, el("h3", { id: "st-example-title" }, "One example, token by token"), tokens);
  let turn = 0, timer = 0, shown = "";
  const look = guarded(async () => {
    const mine = (turn += 1), now = spec();
    mark();
    const address = new URLSearchParams({ set: now.set, ...(now.base ? { base: now.base } : {}), ...(preset === "starter" ? {} : { preset }), ...(query.get("job") ? { job: query.get("job") } : {}) });
    history.replaceState(history.state, "", `/critic?${address}`);
    const slow = setTimeout(() => { if (mine === turn) status.textContent = "Reading the set and tokenising it; a large set takes up to some minutes the first time…"; }, 300);
    checked.wait("Checking…");
    try {
      const seen = await api("/api/critic/preview", { spec: now });
      if (mine !== turn) return;
      if (seen.refused) throw new Error(seen.refused);
      drawData(seen);
      find("st-example-title").hidden = !seen.examples;
      const same = `${now.set} ${now.base} ${now.corrections}`;
      await viewer.take(seen, shown === same);
      shown = same;
      status.textContent = `${many(seen.examples, "example")} of ${seen.set.name} v${seen.set.version}, as the tokenizer of ${seen.base || "the starter model"} reads them.`;
    } catch (error) {
      if (mine !== turn) return;
      fill(data);
      fill(tokens);
      find("st-example-title").hidden = true;
      shown = "";
      status.textContent = error.message;
    } finally { clearTimeout(slow); }
    if (mine !== turn) return;
    try {
      const told = await api("/api/critic/preflight", { spec: now });
      if (mine === turn) checked.draw(told);
    } catch (error) {
      if (mine === turn) checked.refuse(error.message);
    }
  });
  const later = (wait = 350) => { clearTimeout(timer); timer = setTimeout(look, wait); };
  find("st-critic-form").querySelector("form").addEventListener("input", (event) => { mark(); if (event.target !== controls.base.control) later(); });
  controls.base.control.addEventListener("change", () => later(0));

  // The start, and the training as it goes.
  const start = guarded(async () => {
    checked.wait();
    const told = await api("/api/critic/train", { spec: spec() });
    checked.draw(told);
    if (told.id === null) return;
    query.set("job", told.id);
    history.replaceState(history.state, "", `/critic?${new URLSearchParams({ ...Object.fromEntries(new URLSearchParams(location.search)), job: told.id })}`);
    await watch(told.id);
    find("st-critic-job").scrollIntoView({ block: "center" });
  });
  let watching = 0;
  const watch = guarded(async (id) => {
    clearTimeout(watching);
    const { job } = await api(`/api/jobs/${id}`);
    find("st-critic-job").hidden = false;
    fill(find("st-critic-live"), Subtext.jobline(job, "training", "curves, log and command"));
    if (Subtext.alive(job.status)) { const again = () => { watching = setTimeout(() => (document.hidden ? again() : watch(id)), 1000); }; again(); }
  });
  await look();
  const asked = Number(query.get("job"));
  if (Number.isSafeInteger(asked) && asked > 0) await watch(asked);
});
