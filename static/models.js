// Models: the registered models as a list, and one of them: what it was made of, its held-out report, and what can be done with it.
Subtext.models = (element) => Subtext.page(element, "Models", async () => {
  const { el, api, fill, guarded, ago } = Subtext;
  const find = (id) => element.querySelector(`#${id}`);
  const num = (value) => (value === null || value === undefined ? "–" : value.toFixed(2).replace("-", "−"));
  const percent = (value) => (value === null || value === undefined ? "–" : `${Math.round(100 * value)} %`);
  const modelLink = (one) => el("a", { href: `/models?model=${one.id}` }, one.name);
  const baseOf = (model) => {
    if (!model.base) return el("span", { class: "st-dim" }, "not known");
    if (model.parents.length) return modelLink(model.parents[0]);
    return model.base === "starter" ? "starter model" : el("span", { title: model.base }, model.base.replace(/\/+$/, "").split("/").slice(-2).join("/"));
  };
  const dataOf = (data) => {
    if (!data) return el("span", { class: "st-dim" }, "not known");
    const name = `${data.name || `set ${data.set}`} v${data.version}`;
    return data.there ? el("a", { href: `/data?set=${data.set}` }, name) : [name, el("span", { class: "st-dim" }, " (deleted)")];
  };
  const served = (ports) => (ports.length ? ports.map((port) => el("a", { href: "/settings" }, `port ${port} `)) : el("span", { class: "st-dim" }, "–"));

  // The list.
  const row = (model, problem, wanted) => {
    const own = model.metrics.trained || {}, base = model.metrics.base || {};
    const cell = (label, ...content) => el("td", { "data-label": label }, el("span", {}, ...content));
    const number = (label, value, was) => el("td", { class: "st-number", "data-label": label }, el("span", {}, el("b", {}, value), was === undefined || was === "–" ? null : el("span", { class: "st-dim" }, ` base ${was}`)));
    return el("tr", { "data-model": model.id, "aria-current": model.id === wanted ? "true" : null },
      el("th", { scope: "row" }, modelLink(model), " ", el("span", { class: "st-tag" }, model.kind), problem ? el("span", { class: "st-bad-text st-problem" }, problem) : null),
      cell("Base", baseOf(model)), cell("Data", dataOf(model.data)), number("Spearman", num(own.spearman), num(base.spearman)), number("Unscored", percent(own.unscored)), number("Mean error", num(own.mae), num(base.mae)),
      cell("Registered", ago(model.created_at)), cell("Served", served(model.ports)));
  };
  const HEADS = [["Name"], ["Base", "the checkpoint it was trained from"], ["Data", "the set whose scored steps it learned"], ["Spearman", "order of held-out steps: 1 is the data's own"], ["Unscored", "held-out steps without a readable score"], ["Mean error", "distance from the data's scores"], ["Registered"], ["Served", "by a model server of ours"]];
  const list = async (wanted) => {
    const [{ models }, problems] = await Promise.all([api("/api/models"), api("/api/models/states")]);
    find("st-models-card").hidden = false;
    if (!models.length) return fill(find("st-models"), el("div", { id: "st-no-models" }, el("p", {}, "No model is registered yet. A critic that is trained here appears by itself when its job is done, with its held-out report."),
      el("div", { class: "st-actions" }, el("a", { class: "st-button st-primary", href: "/critic" }, "Train a critic")),
      el("p", { class: "st-dim" }, "A checkpoint that you have already is registered with ", el("code", {}, "subtext models add FOLDER --name NAME"), ".")));
    return fill(find("st-models"), el("table", { class: "st-table st-models" }, el("caption", { class: "st-only-readers" }, "Registered models, newest first"),
      el("thead", {}, el("tr", {}, HEADS.map(([text, meaning], place) => el("th", { scope: "col", class: place > 2 && place < 6 ? "st-number" : null, title: meaning }, text)))),
      el("tbody", {}, models.map((model) => row(model, problems[model.id], wanted)))),
      el("p", { class: "st-dim" }, "Numbers are those of the trained model on scenarios kept out of its training, beside its base: Spearman near 1 ranks steps as the data does, a small mean error gives the same scores, unscored steps are in neither."));
  };

  // One model.
  const learned = ({ train, held_out: held }) => (train.steps === undefined
    ? `${Subtext.many(train.scenarios, "scenario")} to learn from, ${held.scenarios.toLocaleString("en")}`
    : `${train.steps.toLocaleString("en")} steps to learn, ${held.steps.toLocaleString("en")}`);
  const pair = (name, ...content) => [el("dt", {}, name), el("dd", {}, ...content)];
  const short = (digest) => (digest ? el("code", { title: digest }, digest.slice(0, 12)) : null);
  const links = (found) => found.map((one, place) => [place ? ", " : "", modelLink(one), one.removed ? el("span", { class: "st-dim" }, " (forgotten)") : ""]);
  const files = (found) => found.map((file) => el("div", {}, `${file.name} `, short(file.digest)));
  const made = (model) => el("dl", { class: "st-facts" },
    pair("Base", baseOf(model), " ", short(model.base_digest)),
    pair("Data", dataOf(model.data), model.data && model.data.train ? el("span", { class: "st-dim" }, ` ${learned(model.data)} held out `) : " ", short(model.data_hash)),
    model.data && model.data.files && model.data.files.length ? pair("Files", model.data.files.length > 4 ? el("details", {}, el("summary", {}, Subtext.many(model.data.files.length, "file")), files(model.data.files)) : files(model.data.files)) : null,
    pair("Job", model.job ? el("a", { href: `/jobs?job=${model.job}` }, `job ${model.job}`) : el("span", { class: "st-dim" }, "registered by hand, or its job is gone")),
    model.parents.length ? pair("Parents", links(model.parents)) : null,
    model.children.length ? pair("Made of it", links(model.children)) : null,
    pair("Registered", el("time", { datetime: model.created_at }, model.created_at.slice(0, 16).replace("T", " ")), " UTC"),
    pair("Folder", el("code", {}, model.folder), " ", short(model.digest)),
    model.note ? pair("Note", el("span", { class: "st-verbatim" }, model.note)) : null,
    model.spec ? pair("Settings", el("details", {}, el("summary", {}, "every parameter"), el("pre", { class: "st-raw", tabindex: "0" }, JSON.stringify(model.spec, null, 2)))) : null);

  const rename = (model) => {
    const name = el("input", { id: "st-new-name", maxlength: 120, required: true, value: model.name }), note = el("textarea", { id: "st-new-note", rows: 3, maxlength: 2000 });
    note.value = model.note;
    const dialog = Subtext.dialog("Name and note", el("form", { class: "st-form st-upright", onsubmit: guarded(async (event) => {
      event.preventDefault();
      const { text } = await api(`/api/models/${model.id}/rename`, { name: name.value, note: note.value });
      dialog.close();
      Subtext.toast(text);
      await open(model.id);
    }) }, el("label", {}, "Name", name), el("label", {}, "Note", note), el("button", { class: "st-button st-primary" }, "Keep")));
    name.focus();
  };
  const forget = (model) => {
    const word = el("input", { id: "st-delete-word", autocomplete: "off", "aria-describedby": "st-delete-why" }), said = el("p", { role: "alert", class: "st-warning", hidden: true });
    const dialog = Subtext.dialog(`Forget ${model.name}?`, el("p", {}, "It leaves this list and can no longer be chosen. What was made of it still names it, and its files stay."),
      el("label", {}, "To delete its files too, type its name", word), el("p", { class: "st-dim", id: "st-delete-why" }, model.folder), said,
      el("button", { class: "st-button st-danger", id: "st-forget-sure", type: "button", onclick: async () => {
        try {
          const { text } = await api(`/api/models/${model.id}/forget`, { delete_files: word.value });
          dialog.close();
          Subtext.toast(text);
          history.replaceState(history.state, "", "/models");
          fill(find("st-model"));
          await list();
        } catch (error) { fill(said, error.message); said.hidden = false; }
      } }, "Forget it"));
  };
  const where = (model) => {
    const box = el("div", { id: "st-served", role: "status" });
    const draw = async () => {
      if (!model.ports.length) return fill(box);
      const { servers } = await api("/api/servers"), ours = servers.filter((one) => model.ports.includes(one.port));
      fill(box, ours.map((one) => el("p", { class: "st-note" }, el("b", {}, one.state === "up" ? "Served" : one.state === "ended" ? "Its server ended" : "Its server starts"), " as ", el("code", {}, one.name), " on ", el("code", {}, one.url), ". ", one.state === "up" ? "Choose it in a form by its port. " : `${one.text} `, el("a", { href: "/settings" }, "Log and stop: Settings"))));
      if (ours.some((one) => one.state === "starting")) setTimeout(() => { if (box.isConnected) draw().catch(() => {}); }, 2000);
      return undefined;
    };
    guarded(draw)();
    return box;
  };
  const buttons = (model) => {
    const problem = el("p", { role: "alert", class: "st-warning", id: "st-serve-problem", hidden: true });
    const serve = el("button", { class: "st-button", id: "st-serve", type: "button", onclick: async () => {
      serve.disabled = true;
      problem.hidden = true;
      try {
        const running = await api(`/api/models/${model.id}/serve`, {});
        Subtext.toast(`${running.name} starts on port ${running.port}.`);
        await open(model.id);
      } catch (error) { fill(problem, error.message); problem.hidden = false; } finally { serve.disabled = false; }
    } }, model.ports.length ? "Served" : "Serve with vLLM");
    const usable = !model.standing && !model.removed_at;
    return [el("div", { class: "st-actions" },
      usable && model.kind === "critic" ? el("a", { class: "st-button st-primary", href: `/score?critic=model:${model.id}` }, "Try it") : null,
      usable && !model.ports.length ? serve : null,
      usable && model.kind === "critic" ? el("a", { class: "st-button", href: `/critic?base=model:${model.id}` }, "Use as base of a new critic") : null,
      model.removed_at ? null : [el("button", { class: "st-button", id: "st-rename", type: "button", onclick: () => rename(model) }, "Rename…"), el("button", { class: "st-button st-danger", id: "st-forget-model", type: "button", onclick: () => forget(model) }, "Forget…")]), problem];
  };
  const open = guarded(async (id) => {
    const model = await api(`/api/models/${id}`);
    find("st-models-card").hidden = true;
    document.title = `${model.name} · Subtext`;
    fill(find("st-model"),
      el("p", { class: "st-back" }, el("a", { href: "/models", id: "st-all-models" }, "← All models")),
      el("section", { class: "st-card", "aria-labelledby": "st-model-title" },
        el("div", { class: "st-job-head" }, el("h2", { id: "st-model-title" }, model.name), el("span", { class: "st-tag" }, `${model.kind} · model ${model.id}`)),
        el("p", { class: "st-dim" }, `Kind ${model.kind}: ${model.meaning}.`),
        model.removed_at ? el("p", { class: "st-warning" }, "This model was forgotten. ", el("code", {}, `subtext models add ${model.folder}`), " brings it back.") : null,
        model.standing ? el("p", { class: "st-warning", role: "alert", id: "st-standing" }, model.standing) : null,
        buttons(model), where(model)),
      el("section", { class: "st-card", "aria-labelledby": "st-heldout-title" }, el("h2", { id: "st-heldout-title" }, "On held-out steps"),
        model.report && model.data && !model.data.there ? el("p", { class: "st-note" }, "The set was deleted since: the numbers stand, but links to its steps lead nowhere.") : null,
        model.report ? Subtext.heldout(model.report).flat(Infinity) : el("p", { class: "st-dim", id: "st-no-report" }, model.no_report)),
      el("section", { class: "st-card", "aria-labelledby": "st-made-title" }, el("h2", { id: "st-made-title" }, "What it was made of"), made(model)));
  });

  const wanted = new URLSearchParams(location.search).get("model");
  if (/^[1-9]\d{0,14}$/.test(wanted || "")) await open(wanted);
  if (!find("st-model").children.length) await list();
});
