// New dialogues: whose profiles, who plays them, which models, judges or none, every setting, what is checked, the start.
Subtext.simform = async (box) => {
  const { el, api, fill, many, select } = Subtext, { card, scroll } = Subtext.evaluating, { address } = Subtext.simulating;
  const query = new URLSearchParams(location.search);
  const [form, { jobs }] = await Promise.all([api("/api/simulations/form"), api("/api/jobs?limit=200")]);
  const wanted = form.models.some((one) => one.value === query.get("model")) ? query.get("model") : "";
  const source = form.profiles.some((set) => set.id === Number(query.get("set"))) ? Number(query.get("set")) : 0;
  const values = { ...structuredClone(form.defaults), name: "", set: source, rows: [{ model: wanted, manner: "zero_shot" }], judges: [""] };
  const draft = () => ({ spec: { kind: "simulate", ...values, name: values.name || "Dialogues" }, after: after.job() });
  const { going, begun, asked } = Subtext.following({ kind: "simulate", what: "simulation", title: "The dialogues as they go", reports: "/api/simulations", address, wrong: "makes no dialogues" });
  const { told, later } = Subtext.ordering({ kind: "simulate", what: "simulation", text: "Start the dialogues", begin: "/api/simulations", draft, begun });
  const after = Subtext.afterField(jobs, "Behind a training its model can be chosen below.", (job) => { if (job === null) for (const one of values.rows) if (one.model === "after") one.model = ""; drawRows(); later(0); });
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
  const models = () => after.models(form.models);
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

  const part = (name) => form.fields.filter((field) => field.part === name && !["rows", "judges"].includes(field.name)).map(setting);
  drawRows();
  box.append(card("st-new", "New dialogues", el("p", { class: "st-dim" }, "A model plays the user of each profile and lets it show part by part; every model under test talks with the same users, who tell the same at the same turns. Judges rate each turn; the dialogues become a set that people can rate. A stopped simulation goes on where it was."),
    el("div", { class: "st-parameters" }, part("who"), after.field), el("h3", {}, form.parts.models), rows,
    el("h3", {}, form.parts.judging), el("div", { class: "st-judging-form" }, Subtext.judgesField(fields.judges, form.judges, values.judges, later)),
    el("details", { id: "st-settings" }, el("summary", {}, "Every setting"), ["judging", "talk", "machine"].map((name) => [el("h3", {}, form.parts[name]), el("div", { class: "st-parameters" }, part(name))]))),
  card("st-before", "Before it starts", told), going);
  later(0);
  await asked();
};
