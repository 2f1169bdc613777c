// One prompt looked at now by chosen models, and the order of a job over many scenarios.
(() => {
  "use strict";
  const Subtext = (window.Subtext = window.Subtext || {});
  const choices = (form, values, label, most, changed, more = () => []) => {
    const { el, fill } = Subtext, box = el("div", { class: "st-attention-chosen" });
    const draw = () => fill(box, el("span", { class: "st-label" }, "Models"), values.map((value, place) => {
      const made = el("select", { "aria-label": `${label} ${place + 1}`, onchange: () => { values[place] = made.value; changed(); } }, [...form.models, ...more()].map((one) => el("option", { value: one.value }, one.label)));
      made.value = value;
      return el("span", { class: "st-judge" }, made, el("button", { class: "st-button st-quiet", type: "button", disabled: values.length < 2, "aria-label": `Remove ${label.toLowerCase()} ${place + 1}`, onclick: () => { values.splice(place, 1); draw(); changed(); } }, "Remove"));
    }), el("button", { class: "st-button", type: "button", "data-add": label, disabled: values.length >= Math.min(most, form.models.length + more().length), onclick: () => { values.push([...form.models, ...more()].find((one) => !values.includes(one.value)).value); draw(); changed(); } }, "Add a model"));
    draw();
    return { box, draw };
  };

  // The prompt of the moment. Returns what shows slices by their names, with the form as it was then.
  Subtext.attentionLook = (box, form) => {
    const { el, api, fill, guarded } = Subtext, { card } = Subtext.evaluating;
    const asked = new URLSearchParams(location.search);
    const area = (id, rows, text, value) => { const made = el("textarea", { id: `st-${id}`, rows, maxlength: form.longest, placeholder: text, dir: "auto" }); made.value = value || ""; return made; };
    const preference = area("preference", 2, "I don't share my live location.", asked.get("preference")), query = area("query", 2, "I'm hiking alone this weekend. What should I plan?", asked.get("query")), answer = area("answer", 3, "Step 1: …", ""), reverse = area("reverse", 2, "made by rule where this is empty", "");
    const method = el("select", { id: "st-method" }, form.methods.map((one) => el("option", { value: one.value }, one.label)));
    const models = [form.models.some((one) => one.value === asked.get("model")) ? asked.get("model") : ""], chosen = choices(form, models, "Model", 4, () => {});
    const go = el("button", { class: "st-button st-primary", id: "st-look" }, "Look"), said = el("p", { role: "status", id: "st-look-said" });
    const seen = el("section", { class: "st-card", id: "st-attention-seen", hidden: true, "aria-labelledby": "st-attention-seen-title" });
    let drawn = Math.floor(Math.random() * 1000);
    const example = guarded(async () => { const found = await api(`/api/respond/example?seed=${drawn++}`); [preference.value, query.value] = [found.preference, found.query]; });
    // What was seen belongs to the prompt that was looked at last; an answer that comes late is not shown.
    let turn = 0;
    const clear = () => { turn += 1; seen.hidden = true; fill(seen); history.replaceState(history.state, "", "/attention"); };
    const show = async (looked) => {
      const mine = ++turn, tried = await Subtext.attentionSlices(looked.map((one) => one.of));
      if (mine !== turn) return [];
      const slices = tried.flatMap(({ slice }, place) => { const { model, use, said } = looked[place]; return slice ? [{ ...slice, model: model ?? slice.model, use: use ?? slice.use, answer: said ?? slice.answer }] : []; });
      const field = el("div"), meters = el("div"), gone = tried.map((one, place) => (one.gone ? el("p", { class: "st-warning", "data-gone": one.of }, `${tried.length > 1 ? `Prompt ${place + 1} of ${tried.length}: ` : ""}${one.gone}`) : null));
      seen.hidden = false;
      fill(seen, el("h2", { id: "st-attention-seen-title" }, "What was seen"), gone, field, meters);
      if (slices.length) Subtext.attentionView(field, slices, form.notice);
      for (const [at, one] of slices.entries()) if (one.use) { const meter = el("div"); meters.append(el("h3", {}, `The answer, as ${one.model} reads it`), meter); Subtext.useMeter(meter, one.use, one.answer || "", form.meaning, ` ${at + 1}`); }
      return slices;
    };
    // The form as it was when these were looked at, where all were asked the same and nothing that it cannot hold.
    const refill = (slices) => {
      const asked = slices.map((one) => one.asked), [first] = asked;
      if (!first || asked.some((one) => !one || one.turns || ["preference", "query", "method", "answer", "reverse"].some((name) => one[name] !== first[name]))) return;
      [preference.value, query.value, answer.value, reverse.value] = [first.preference, first.query, first.answer, first.reverse];
      if (form.methods.some((one) => one.value === first.method)) method.value = first.method;
      more.open = Boolean(first.answer);
      const known = [...new Set(asked.map((one) => one.model))].filter((value) => form.models.some((one) => one.value === value));
      if (known.length) { models.splice(0, models.length, ...known); chosen.draw(); }
    };
    const look = guarded(async () => {
      go.disabled = true;
      clear();
      const looked = [];
      let failed = "";
      try {
        for (const model of models) {
          said.textContent = `Looking${models.length > 1 ? `, model ${looked.length + 1} of ${models.length}` : ""}. The first time a model takes a few seconds.`;
          looked.push(await api("/api/attention", { preference: preference.value, query: query.value, model, method: method.value, answer: answer.value, reverse: reverse.value }));
        }
      } catch (error) { failed = error.message; }
      try {
        if (looked.length) { await show(looked); history.replaceState(history.state, "", `/attention?of=${looked.map((one) => one.of).join(",")}`); }
        said.textContent = failed;
      } finally { go.disabled = false; }
    });
    const field = (label, control, hint) => el("label", {}, label, control, hint ? el("span", { class: "st-dim" }, hint) : null);
    const more = el("details", {}, el("summary", {}, "With an answer"), field("Answer", answer, "read again behind the prompt, with the preference, without it and with its reverse: what each sentence owes to it"), field("The reverse of the preference", reverse));
    box.append(card("st-attention-one", "One prompt", el("form", { class: "st-build", onsubmit: (event) => { event.preventDefault(); look(); } }, field("Preference", preference), field("Query", query), el("div", { class: "st-respond-row" }, field("Way of prompting", method)), chosen.box,
      more, el("div", { class: "st-actions" }, go, el("button", { class: "st-button", type: "button", id: "st-example", onclick: example }, "Use an example")), said)), seen);
    return async (names) => refill(await show(names.map((of) => ({ of }))));
  };

  Subtext.attentionOrder = async (box, form) => {
    const { el, api, many } = Subtext, { card } = Subtext.evaluating;
    const [runs, { jobs }] = await Promise.all([api("/api/attention/runs"), api("/api/jobs?limit=200")]);
    const values = { ...structuredClone(form.defaults), name: "", set: form.sets.length ? form.sets[0].id : 0, checkpoints: [""] };
    const draft = () => ({ spec: { kind: "attention", ...values, name: values.name || "Attention" }, after: after.job() });
    const { told, later } = Subtext.ordering({ kind: "attention", what: "reading", text: "Read attention", begin: "/api/attention/start", look: "/api/attention/preflight", draft, begun: (id) => location.assign(`/attention?job=${id}`) });
    const after = Subtext.afterField(jobs, "", (job) => { if (job === null) values.checkpoints.forEach((one, place) => { if (one === "after") values.checkpoints[place] = ""; }); chosen.draw(); later(0); });
    const options = { set: () => form.sets.map((set) => ({ value: String(set.id), label: `${set.name} v${set.version} (${many(set.records, "record")})` })), method: () => form.methods };
    const setting = (field) => Subtext.setting(field, Subtext.control(field, values[field.name], (value) => { values[field.name] = value; later(); }, { options: options[field.name]?.(), placeholder: field.name === "name" ? "Attention" : null }));
    const chosen = choices(form, values.checkpoints, "Model to read", form.most_models, () => later(0), () => after.models([]));
    const part = (name) => form.fields.filter((field) => field.part === name).map(setting);
    box.append(card("st-attention-runs", "Over many scenarios", runs.length ? el("ul", { class: "st-next" }, runs.map((one) => el("li", { "data-run": one.id }, el("span", {}, el("a", { href: `/attention?job=${one.id}` }, one.name), " ", el("span", { class: "st-tag st-status", "data-status": one.status }, one.status)), el("span", { class: "st-dim" }, `Job ${one.id} · ${many(one.models, "model")} · ${Subtext.ago(one.created_at)}`)))) : el("p", { class: "st-dim" }, "No job has read attention yet."),
      el("details", { id: "st-attention-new" }, el("summary", {}, "Read the attention of models over a set"), el("div", { class: "st-parameters" }, part("what"), after.field), chosen.box, el("p", { class: "st-dim" }, "The others are compared with the first one: before training, after training."), el("details", {}, el("summary", {}, "Every setting"), el("div", { class: "st-parameters" }, part("machine"))), el("h3", {}, "Before it starts"), told)));
    later(0);
  };
})();
