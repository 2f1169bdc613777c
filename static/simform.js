// New dialogues: whose profiles, who plays them, which models, judges or none, every setting, what is checked, the start.
Subtext.simform = async (box) => {
  const { el, api, fill, guarded, many } = Subtext, { card, scroll } = Subtext.evaluating, { address } = Subtext.simulating;
  const query = new URLSearchParams(location.search);
  const [form, { jobs }] = await Promise.all([api("/api/simulations/form"), api("/api/jobs?limit=200")]);
  const before = jobs.filter((job) => ["policy", "sft", "tpo"].includes(job.kind) && Subtext.alive(job.status));
  const wanted = form.models.some((one) => one.value === query.get("model")) ? query.get("model") : "";
  const source = form.profiles.some((set) => set.id === Number(query.get("set"))) ? Number(query.get("set")) : 0;
  const values = { ...structuredClone(form.defaults), name: "", set: source, rows: [{ model: wanted, manner: "zero_shot" }], judges: [""] };
  let after = null;
  const fields = Object.fromEntries(form.fields.map((field) => [field.name, field]));
  const write = (name) => (value) => { values[name] = value; later(); };
  const stored = (sets) => sets.map((set) => ({ value: String(set.id), label: `${set.name} v${set.version} (${many(set.records, "record")})` }));
  const options = {
    set: () => [{ value: "0", label: "the starter profiles" }, ...stored(form.profiles)],
    personalities: () => [{ value: "0", label: "those in the same set, or none" }, ...stored(form.personalities)],
    user: () => form.users,
  };
  const setting = (field) => Subtext.setting(field, Subtext.control(field, values[field.name], write(field.name), { options: options[field.name]?.(), placeholder: field.name === "name" ? "Dialogues" : null }));

  // Models under test, each with a way of prompting.
  const select = (label, choices, value, change) => { const made = el("select", { "aria-label": label, onchange: () => change(made.value) }, choices.map((one) => el("option", { value: one.value }, one.label))); made.value = value; return made; };
  const models = () => (after === null ? form.models : [...form.models, { value: "after", label: `the model that job ${after} makes` }]);
  const manners = Object.entries(form.manners).map(([value, label]) => ({ value, label }));
  const rows = el("div", { id: "st-rows" });
  const drawRows = () => {
    const changed = (one, name) => (value) => { one[name] = value; later(); };
    const used = (model) => values.rows.filter((one) => one.model === model).map((one) => one.manner);
    const add = () => { const last = values.rows.at(-1)?.model ?? ""; const manner = manners.find((one) => !used(last).includes(one.value))?.value; values.rows.push({ model: last, manner: manner || "zero_shot" }); drawRows(); later(0); };
    fill(rows, scroll("Models under test", el("table", { class: "st-table st-models st-row-form" }, el("thead", {}, el("tr", {}, ["Model", "Way of prompting", ""].map((text) => (text ? el("th", { scope: "col" }, text) : el("td", {}))))),
      el("tbody", {}, values.rows.map((one, place) => el("tr", { "data-row": place }, el("td", { "data-label": "Model" }, select(`Model ${place + 1}`, models(), one.model, changed(one, "model"))), el("td", { "data-label": "Way" }, select(`Way of prompting model ${place + 1}`, manners, one.manner, changed(one, "manner"))),
        el("td", { class: "st-actions" }, el("button", { class: "st-button st-quiet", type: "button", "aria-label": `Remove model ${place + 1}`, disabled: values.rows.length < 2, onclick: () => { values.rows.splice(place, 1); drawRows(); later(0); } }, "Remove"))))))),
      el("div", { class: "st-actions" }, el("button", { class: "st-button", type: "button", id: "st-add-row", disabled: values.rows.length >= form.most_rows, onclick: add }, "Add a model"), el("span", { class: "st-dim" }, fields.rows.meaning)));
  };
  const judges = el("div", { id: "st-judges" });
  const drawJudges = () => fill(judges, el("div", { class: "st-setting" }, el("span", {}, fields.judges.label), values.judges.map((one, place) => el("span", { class: "st-judge" }, select(`Judge ${place + 1}`, form.judges, one, (value) => { values.judges[place] = value; later(); }), el("button", { class: "st-button st-quiet", type: "button", "aria-label": `Remove judge ${place + 1}`, onclick: () => { values.judges.splice(place, 1); drawJudges(); later(0); } }, "Remove"))),
    el("span", {}, el("button", { class: "st-button", type: "button", id: "st-add-judge", disabled: values.judges.length >= Math.min(9, form.judges.length), onclick: () => { values.judges.push(form.judges.find((one) => !values.judges.includes(one.value)).value); drawJudges(); later(0); } }, "Add a judge")), el("span", { class: "st-dim" }, fields.judges.meaning)));
  const waiting = () => {
    const which = el("select", { id: "st-after", onchange: () => { after = which.value ? Number(which.value) : null; if (after === null) for (const one of values.rows) if (one.model === "after") one.model = ""; drawRows(); later(0); } }, el("option", { value: "" }, "at once"), before.map((job) => el("option", { value: job.id }, `when job ${job.id} is done (${job.kind}, ${job.status})`)));
    return before.length ? el("label", { class: "st-setting" }, el("span", {}, "Start"), which, el("span", { class: "st-dim" }, "Behind a training its model can be chosen below.")) : null;
  };

  // What is checked, the start, and the job as it goes.
  const told = el("div"), live = el("div", { id: "st-simulate-live" }), going = card("st-simulate-job", "The dialogues as they go", live);
  going.hidden = true;
  const draft = () => ({ spec: { kind: "simulate", ...values, name: values.name || "Dialogues" }, after });
  const checked = Subtext.preflight(told, { what: "simulation", text: "Start the dialogues", names: { verdict: "st-simulate-verdict", begin: "st-simulate-begin", command: "st-simulate-command" }, act: () => start() });
  let turn = 0, timer = 0, watching = 0;
  const look = async () => {
    const mine = ++turn;
    try {
      const seen = await api("/api/simulations/preflight", draft());
      if (mine === turn) { if (seen.refused) checked.refuse(seen.refused); else checked.draw(seen); }
    } catch (error) {
      if (mine === turn) checked.refuse(error.message);
    }
  };
  const later = (wait = 300) => { clearTimeout(timer); timer = setTimeout(look, wait); };
  const start = guarded(async () => {
    checked.wait();
    const begun = await api("/api/simulations", draft());
    checked.draw(begun);
    if (begun.id === null) return;
    history.replaceState(history.state, "", `/simulate?job=${begun.id}`);
    await watch(begun.id);
    going.scrollIntoView({ block: "start" });
  });
  const watch = guarded(async (id) => {
    clearTimeout(watching);
    const [{ job }, known] = await Promise.all([api(`/api/jobs/${id}`), api("/api/simulations")]);
    if (job.kind !== "simulate") throw new Error(`Job ${id} makes no dialogues.`);
    const made = known.find((one) => one.job === id);
    if (job.status === "done" && made && !going.hidden) { location.assign(address(made.id)); return; }
    going.hidden = false;
    fill(live, Subtext.jobline(job, "simulation", "log and command", made ? [" · ", el("a", { href: address(made.id), id: "st-report-link" }, job.status === "done" ? "The report" : "The report while it fills")] : null));
    if (Subtext.alive(job.status)) { const again = () => { watching = setTimeout(() => (document.hidden ? again() : watch(id)), 1500); }; again(); }
  });

  const part = (name) => form.fields.filter((field) => field.part === name && !["rows", "judges"].includes(field.name)).map(setting);
  drawRows();
  drawJudges();
  box.append(card("st-new", "New dialogues", el("p", { class: "st-dim" }, "A model plays the user of each profile and lets it show part by part; every model under test talks with the same users, who tell the same at the same turns. Judges rate each turn; the dialogues become a set that people can rate. A stopped simulation goes on where it was."),
    el("div", { class: "st-parameters" }, part("who"), waiting()), el("h3", {}, form.parts.models), rows,
    el("h3", {}, form.parts.judging), el("div", { class: "st-judging-form" }, judges),
    el("details", { id: "st-settings" }, el("summary", {}, "Every setting"), ["judging", "talk", "machine"].map((name) => [el("h3", {}, form.parts[name]), el("div", { class: "st-parameters" }, part(name))]))),
  card("st-before", "Before it starts", told), going);
  later(0);
  const asked = Number(query.get("job"));
  if (Number.isSafeInteger(asked) && asked > 0) await watch(asked);
};
