// Train a policy: a preset fills the form, every setting has its meaning, what is checked, the start, curves and alarms.
Subtext.train = (element) => Subtext.page(element, "Train a policy", async () => {
  const { el, api, fill, guarded, many } = Subtext;
  const find = (id) => element.querySelector(`#${id}`);
  const query = new URLSearchParams(location.search);
  const [form, sets] = await Promise.all([api("/api/train"), api("/api/sets")]);
  const sources = sets.filter((set) => set.scenarios);
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

  const line = (field) => {
    const options = { set: () => sources.map((set) => ({ value: String(set.id), label: `${set.name} v${set.version} (${many(set.records, "record")})` })), critic: () => form.critics }[field.name];
    const write = (value) => { values[field.name] = value; if (field.name in own) own[field.name] = value; later(); };
    return Subtext.setting(field, Subtext.control(field, values[field.name], write, { options: options?.(), unset: "by the trainer", placeholder: { base: "starter model", name: "Policy" }[field.name], list: field.name === "base" ? "st-bases" : null }));
  };
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
  const checked = Subtext.preflight(find("st-train-check"), { what: "training", text: "Train the policy", names: { verdict: "st-train-verdict", begin: "st-train-begin", command: "st-train-command" }, act: () => start() });
  let turn = 0, timer = 0;
  const look = async () => {
    const mine = ++turn;
    try {
      const told = await api("/api/train/preflight", { spec: spec() });
      if (mine !== turn) return;
      if (told.refused) checked.refuse(told.refused); else checked.draw(told);
    } catch (error) {
      if (mine === turn) checked.refuse(error.message);
    }
  };
  const later = (wait = 300) => { clearTimeout(timer); timer = setTimeout(look, wait); };

  // The start, and the run as it goes.
  const start = guarded(async () => {
    checked.wait();
    const told = await api("/api/train", { spec: spec() });
    checked.draw(told);
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
    const alive = Subtext.alive(job.status);
    const told = job.result || {};
    if (job.kind === "policy") samples();
    fill(find("st-train-live"), Subtext.jobline(job, "training", "log and command",
      job.kind === "policy" ? [" · ", el("a", { href: `/rollouts?job=${id}` }, "Rollouts: every token's credit")] : null, told.model ? [" · ", el("a", { href: `/models?model=${told.model}` }, "The model it made")] : null),
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
