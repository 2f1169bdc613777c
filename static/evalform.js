// A new evaluation: set, rows of models and ways of prompting, checks and judges, every setting, what is checked, the start.
Subtext.evalform = async (box) => {
  const { el, api, fill, many, select } = Subtext, { card, address, check } = Subtext.evaluating;
  const query = new URLSearchParams(location.search);
  const [form, sets, { jobs }] = await Promise.all([api("/api/evaluations/form"), api("/api/sets"), api("/api/jobs?limit=200")]);
  const sources = sets.filter((set) => set.scenarios);
  if (!sources.length) {
    box.append(card("st-new", "A new evaluation", el("p", {}, "There is no set with scenarios yet. ", el("a", { href: "/data" }, "Import one"), " or ", el("a", { href: "/build" }, "build one"), ".")));
    return;
  }
  const wanted = form.models.some((one) => one.value === query.get("model")) ? query.get("model") : "";
  const values = { ...structuredClone(form.defaults), name: "", set: sources.some((set) => set.id === Number(query.get("set"))) ? Number(query.get("set")) : sources.at(-1).id, rows: [{ model: wanted, method: "zero_shot", turns: 0 }, { model: wanted, method: "step_by_step", turns: 0 }] };
  const draft = () => ({ spec: { kind: "evaluate", ...values, name: values.name || "Evaluation" }, after: after.job() });
  const { going, begun, asked } = Subtext.following({ kind: "evaluate", what: "evaluation", title: "The evaluation as it goes", reports: "/api/evaluations", address, wrong: "is no evaluation" });
  const { told, later } = Subtext.ordering({ kind: "evaluate", what: "evaluation", text: "Start the evaluation", begin: "/api/evaluations", draft, begun });
  const after = Subtext.afterField(jobs, "Behind a training its model can be chosen in the rows.", (job) => { if (job === null) for (const one of values.rows) if (one.model === "after") one.model = ""; drawRows(); later(0); });
  const fields = Object.fromEntries(form.fields.map((field) => [field.name, field]));
  const write = (name) => (value) => { values[name] = value; later(); };
  const setting = (field) => {
    const options = { set: () => sources.map((set) => ({ value: String(set.id), label: `${set.name} v${set.version} (${many(set.records, "record")})` })), critic: () => form.critics }[field.name];
    return Subtext.setting(field, Subtext.control(field, values[field.name], write(field.name), { options: options?.(), placeholder: field.name === "name" ? "Evaluation" : null, words: field.name === "checks" ? check : null }));
  };

  // Rows: a model and a way of prompting it.
  const rows = el("div", { id: "st-rows" }), room = () => values.rows.length < form.most_rows;
  const models = () => after.models(form.models);
  const same = (one, two) => one.model === two.model && one.method === two.method && one.turns === two.turns;
  const add = (...fresh) => { for (const one of fresh) if (room() && !values.rows.some((other) => same(one, other))) values.rows.push(one); drawRows(); later(0); };
  // The next row that is not there yet: another way for the last row's model, else for another model, else with more turns before.
  const next = () => {
    const last = values.rows.at(-1) || { model: "", turns: 0 }, others = models().map((one) => one.value).filter((value) => value !== last.model);
    for (let turns = last.turns; turns <= 10; turns += 1) for (const model of [last.model, ...others]) for (const method of Object.keys(form.methods)) if (!values.rows.some((other) => same(other, { model, method, turns }))) return { model, method, turns };
    return { ...last, method: "zero_shot" };
  };
  const everyWay = (model, turns) => {
    if (!values.temperature) { values.temperature = 0.7; const control = document.getElementById("st-temperature"); if (control) control.value = "0.7"; Subtext.toast("The temperature is 0.7 now: best of N needs samples that differ."); }
    add(...Object.keys(form.methods).map((method) => ({ model, method, turns })));
  };
  const drawRows = () => {
    const changed = (one, name) => (value) => { one[name] = value; later(); };
    fill(rows, Subtext.evaluating.scroll("Rows of the report", el("table", { class: "st-table st-models st-row-form" }, el("thead", {}, el("tr", {}, ["Model", "Way of prompting", "Turns before", ""].map((text) => (text ? el("th", { scope: "col" }, text) : el("td", {}))))),
      el("tbody", {}, values.rows.map((one, place) => el("tr", { "data-row": place }, el("td", { "data-label": "Model" }, select(`Model of row ${place + 1}`, models(), one.model, changed(one, "model"))), el("td", { "data-label": "Way" }, select(`Way of prompting of row ${place + 1}`, Object.entries(form.methods).map(([value, label]) => ({ value, label })), one.method, changed(one, "method"))),
        el("td", { "data-label": "Turns before" }, el("input", { type: "number", min: 0, max: 10, step: 1, value: one.turns, "aria-label": `Turns before the query in row ${place + 1}`, onchange: (event) => changed(one, "turns")(Math.max(0, Math.min(10, Math.round(Number(event.target.value) || 0)))) })),
        el("td", { class: "st-actions" }, el("button", { class: "st-button", type: "button", "data-every": place, title: "A row for every way of prompting this model", onclick: () => everyWay(one.model, one.turns) }, "All methods for this model"), el("button", { class: "st-button st-quiet", type: "button", "aria-label": `Remove row ${place + 1}`, disabled: values.rows.length < 2, onclick: () => { values.rows.splice(place, 1); drawRows(); later(0); } }, "Remove"))))))),
      el("div", { class: "st-actions" }, el("button", { class: "st-button", type: "button", id: "st-add-row", disabled: !room(), onclick: () => add(next()) }, "Add a row"), el("span", { class: "st-dim" }, `${many(values.rows.length, "row")} of at most ${form.most_rows}. Turns before: exchanges about something else that stand between the preference and the query.`)));
  };

  const part = (name, but = []) => form.fields.filter((field) => field.part === name && !but.includes(field.name)).map(setting);
  drawRows();
  box.append(card("st-new", "A new evaluation", el("p", { class: "st-dim" }, "Every row answers every case of the set; judges then read each answer, one check at a time. A stopped evaluation goes on where it was, and nothing is asked twice."),
    el("div", { class: "st-parameters" }, part("what"), after.field), el("h3", {}, form.parts.rows), rows,
    el("h3", {}, "Judging"), el("div", { class: "st-judging-form" }, setting(fields.checks), Subtext.judgesField(fields.judges, form.judges, values.judges, later)),
    el("details", { id: "st-settings" }, el("summary", {}, "Every setting"), Object.entries(form.parts).filter(([name]) => !["what", "rows"].includes(name)).map(([name, title]) => [el("h3", {}, title), el("div", { class: "st-parameters" }, part(name, ["checks", "judges"]))]))),
  card("st-before", "Before it starts", told), going);
  later(0);
  await asked();
};
