// Train a policy: a preset fills the form, every setting has its meaning, what is checked, the start, curves and alarms.
Subtext.train = (element) => Subtext.page(element, "Train a policy", async () => {
  const { el, api, fill, guarded, many } = Subtext;
  const find = (id) => element.querySelector(`#${id}`);
  const query = new URLSearchParams(location.search);
  const [form, sets] = await Promise.all([api("/api/train"), api("/api/sets")]);
  const sources = sets.filter((set) => set.scenarios === undefined || set.scenarios);
  if (!sources.length) {
    fill(find("st-train-form"), el("p", {}, "There is no set with scenarios yet. ", el("a", { href: "/data" }, "Import one"), " or ", el("a", { href: "/build" }, "build one"), "."));
    find("st-train-check").closest("section").hidden = true;
    return;
  }
  const SIZES = { starter: "starter: the starter model, minutes on a CPU", paper: "paper: Qwen2.5-7B-Instruct on GPUs" };
  let preset = form.presets.find((one) => one.name === query.get("preset")) || form.presets.find((one) => one.name === "cdpa");
  let size = preset.sizes[query.get("size")] ? query.get("size") : "starter";
  // What a person chose by hand and a preset does not decide.
  const own = { name: "", set: sources.some((set) => set.id === Number(query.get("set"))) ? Number(query.get("set")) : sources.at(-1).id };
  let values = {};

  const box = el("div"), summary = el("p", { class: "st-dim", id: "st-train-meaning" });
  const presets = el("div", { class: "st-presets", role: "group", "aria-label": "Method" }, form.presets.map((one) => el("button", { class: "st-button", type: "button", "data-preset": one.name, onclick: () => choose(one, size) }, one.name.replace("_", " + ").toUpperCase())));
  const sizes = el("div", { class: "st-presets", role: "group", "aria-label": "Size" }, Object.keys(preset.sizes).map((name) => el("button", { class: "st-button", type: "button", "data-size": name, onclick: () => choose(preset, name) }, SIZES[name] || name)));

  const control = (field) => {
    const write = (value) => { values[field.name] = value; if (field.name in own) own[field.name] = value; later(); };
    const id = `st-${field.name}`;
    if (field.name === "set" || field.name === "critic") {
      const options = field.name === "set" ? sources.map((set) => ({ value: String(set.id), label: `${set.name} v${set.version} (${many(set.records, "record")})` })) : form.critics;
      const select = el("select", { id, onchange: () => write(field.name === "set" ? Number(select.value) : select.value) }, options.map((one) => el("option", { value: one.value }, one.label)));
      select.value = String(values[field.name]);
      return select;
    }
    if (field.type === "boolean") return el("input", { id, type: "checkbox", checked: values[field.name], onchange: (event) => write(event.target.checked) });
    if (field.type === "array") return el("span", { class: "st-choices", role: "group", "aria-label": field.label, id }, field.choices.map((choice) => el("label", { class: "st-check" }, el("input", { type: "checkbox", checked: values[field.name].includes(choice), onchange: (event) => write(event.target.checked ? [...values[field.name], choice] : values[field.name].filter((one) => one !== choice)) }), choice)));
    if (field.choices) {
      const select = el("select", { id, onchange: () => write(select.value) }, field.choices.map((choice) => el("option", { value: choice }, choice || "by the trainer")));
      select.value = values[field.name];
      return select;
    }
    if (field.type === "string") return el("input", { id, maxlength: field.longest, value: values[field.name], spellcheck: "false", placeholder: field.name === "base" ? "starter model" : field.name === "name" ? "Policy" : null, list: field.name === "base" ? "st-bases" : null, onchange: (event) => write(event.target.value.trim()) });
    return el("input", { id, type: "number", step: field.type === "integer" ? 1 : "any", min: field.low, max: field.high, value: values[field.name], onchange: (event) => write(event.target.value === "" ? null : Number(event.target.value)) });
  };
  const line = (field) => (field.type === "array"
    ? el("div", { class: "st-setting" }, el("span", {}, field.label), control(field), el("span", { class: "st-dim" }, field.meaning))
    : field.type === "boolean"
      ? el("label", { class: "st-setting" }, el("span", { class: "st-check" }, control(field), el("span", {}, field.label)), el("span", { class: "st-dim" }, field.meaning))
      : el("label", { class: "st-setting" }, el("span", {}, field.label), control(field), el("span", { class: "st-dim" }, field.meaning)));
  const choose = (one, name) => {
    [preset, size] = [one, name];
    const kept = values.base && values.base !== "" && !Object.values(one.sizes).some((sized) => sized.base === values.base) ? { base: values.base } : {};
    values = { ...one.sizes[name], ...own, ...kept };
    const fields = form.fields[one.kind];
    const open = box.querySelector("details")?.open;
    fill(box, el("div", { class: "st-parameters" }, fields.filter((field) => field.part === "what").map(line)),
      el("details", { id: "st-settings", open }, el("summary", {}, "Every setting"), Object.entries(form.parts).filter(([part]) => part !== "what").map(([part, title]) => {
        const found = fields.filter((field) => field.part === part);
        return found.length ? [el("h3", {}, title), el("div", { class: "st-parameters" }, found.map(line))] : null;
      })));
    summary.textContent = `${one.meaning}.`;
    for (const button of presets.children) { const on = button.dataset.preset === one.name; button.setAttribute("aria-pressed", String(on)); button.classList.toggle("st-primary", on); }
    for (const button of sizes.children) { const on = button.dataset.size === name; button.setAttribute("aria-pressed", String(on)); button.classList.toggle("st-primary", on); }
    later(0);
  };
  const spec = () => ({ ...values, name: values.name || "Policy" });

  // What is checked before it starts.
  const MARKS = { ok: "✓ ok", warning: "! warning", blocking: "✕ blocks" };
  const verdict = el("p", { role: "status", id: "st-train-verdict" }, "Looking…"), lines = el("ul", { class: "st-preflight", "aria-label": "Checks" }), command = el("code", { id: "st-train-command", tabindex: "0", role: "region", "aria-label": "Command" });
  const begin = el("button", { class: "st-button st-primary", type: "button", id: "st-train-begin", disabled: true, onclick: () => start() }, "Train the policy");
  fill(find("st-train-check"), verdict, lines, el("div", { class: "st-actions" }, begin), el("h3", {}, "The same on the command line"),
    el("div", { class: "st-command" }, command, el("button", { class: "st-button", type: "button", onclick: guarded(async () => { await navigator.clipboard.writeText(command.textContent); Subtext.toast("Copied."); }) }, "Copy")));
  const drawLines = (told) => {
    fill(lines, told.lines.map((one) => el("li", {}, el("span", { class: `st-tag st-level-${one.level}` }, MARKS[one.level]), el("span", {}, el("b", {}, one.name), ` ${one.text}`))));
    verdict.textContent = told.blocked ? "Something blocks the training; the list says what." : "Everything is ready.";
    begin.disabled = told.blocked;
    if (told.command) command.textContent = told.command;
  };
  let turn = 0, timer = 0;
  const look = async () => {
    const mine = ++turn;
    try {
      const told = await api("/api/train/preflight", { spec: spec() });
      if (mine !== turn) return;
      if (!told.refused) return drawLines(told);
      fill(lines);
      verdict.textContent = told.refused;
      begin.disabled = true;
    } catch (error) {
      if (mine === turn) { fill(lines); verdict.textContent = error.message; begin.disabled = true; }
    }
  };
  const later = (wait = 300) => { clearTimeout(timer); timer = setTimeout(look, wait); };

  // The start, and the run as it goes.
  const start = guarded(async () => {
    begin.disabled = true;
    const told = await api("/api/train", { spec: spec() });
    drawLines(told);
    if (told.id === null) return;
    history.replaceState(history.state, "", `/train?job=${told.id}`);
    await watch(told.id);
    find("st-train-job").scrollIntoView({ block: "start" });
  });
  let watching = 0, followed = 0, curves = null, samples = null, step = -1;
  const watch = guarded(async (id) => {
    clearTimeout(watching);
    if (followed !== id) { followed = id; step = -1; curves = Subtext.curves(find("st-train-curves")); fill(find("st-train-samples")); samples = Subtext.samples(find("st-train-samples"), id, () => followed === id); }
    const [{ job }, metrics, alarms] = await Promise.all([api(`/api/jobs/${id}`), api(`/api/jobs/${id}/metrics?since=${step}`), api(`/api/train/${id}/alarms`)]);
    if (followed !== id) return;
    find("st-train-job").hidden = false;
    step = curves.take(metrics);
    const alive = ["queued", "running", "cancelling"].includes(job.status);
    const told = job.result || {};
    if (job.kind === "policy") samples();
    fill(find("st-train-live"), el("p", {}, el("span", { class: "st-tag st-status", "data-status": job.status }, job.status), ` ${job.message || "It waits for its turn."} `, el("a", { href: `/jobs?job=${id}`, id: "st-job-link" }, `Job ${id}: log and command`),
      job.kind === "policy" ? [" · ", el("a", { href: `/rollouts?job=${id}` }, "Rollouts: every token's credit")] : null, told.model ? [" · ", el("a", { href: `/models?model=${told.model}` }, "The model it made")] : null),
      alive ? el("progress", { max: job.progress_total || 1, value: job.progress_total ? job.progress_done : null, "aria-label": "Progress of the training" }) : null,
      alarms.map((alarm) => el("p", { class: "st-warning", role: "alert", "data-alarm": alarm.name }, el("b", {}, `Since update ${alarm.update}: `), alarm.sentence)));
    if (alive) { const again = () => { watching = setTimeout(() => (document.hidden ? again() : watch(id)), 1500); }; again(); }
  });

  fill(find("st-train-form"), el("p", { class: "st-dim" }, "A policy answers in steps. It first learns the best paths by heart (RFT); then its own responses are scored by a critic and compared (CDPA and the baselines)."),
    presets, sizes, summary, box, el("datalist", { id: "st-bases" }, form.bases.map((base) => el("option", { value: base.value }, base.label))));
  choose(preset, size);
  if (query.get("base") !== null) { values.base = query.get("base").slice(0, 1000); choose(preset, size); }
  const asked = Number(query.get("job"));
  if (Number.isSafeInteger(asked) && asked > 0) await watch(asked);
});
