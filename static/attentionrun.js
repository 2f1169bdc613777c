// A job that read attention: its numbers by model with intervals, the averaged curve, what differs from the first model, its scenarios.
Subtext.attentionRun = async (box, id, form) => {
  const { el, api, fill, guarded, many } = Subtext, { card, scroll, none, number, share, chance, switcher } = Subtext.evaluating;
  const query = new URLSearchParams(location.search);
  const NAMES = Subtext.attentionNames, told = Subtext.attentionValue;
  const state = { by: "lift", find: "" };
  let found = null, timer = 0, told_report = "", told_lines = -1;
  const view = el("section", { class: "st-card", id: "st-attention-view", "aria-labelledby": "st-attention-view-title", hidden: true });
  const live = el("div"), report = el("div");

  const mean = (name, one) => { const own = one.figures && one.figures[name]; return own ? el("td", { class: "st-number", "data-figure": name }, told(name, own.value), el("span", { class: "st-dim st-interval" }, none(own.interval.low) ? "no interval" : `${told(name, own.interval.low)} to ${told(name, own.interval.high)}`)) : el("td", { class: "st-number" }, "–"); };
  const control = (one) => el("td", { class: "st-number", "data-figure": "control" }, !one.control || none(one.control.mean) ? "–" : `${share(one.control.mean)} %`, one.control && !none(one.control.mean) ? el("span", { class: "st-dim st-interval" }, `preference above ${share(one.control.above, 0)} %`) : null);
  const figures = (models) => card("st-attention-figures", "Numbers", scroll("Numbers by model", el("table", { class: "st-table" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Model"), NAMES.map(([, label, meaning]) => el("th", { scope: "col", class: "st-number", title: meaning }, label)), el("th", { scope: "col", class: "st-number" }, "Other spans"), el("th", { scope: "col", class: "st-number" }, "Scenarios"))),
    el("tbody", {}, models.map((one) => el("tr", { "data-model": one.name }, el("th", { scope: "row" }, one.name, one.reason ? el("span", { class: "st-dim st-interval st-wrapped" }, one.reason) : null), NAMES.map(([name]) => mean(name, one)), control(one), el("td", { class: "st-number" }, one.read)))))),
  el("p", { class: "st-note", "data-notice": "" }, form.notice), el("p", { class: "st-dim" }, "Means over scenarios; intervals are 95 %, drawn over scenarios. Other spans: parts of the messages as long as the preference, or shorter and scaled where none is as long."),
  models.some((one) => one.problems.length) ? el("details", {}, el("summary", {}, "What could not be read"), el("ul", {}, models.flatMap((one) => one.problems.slice(0, 50).map((bad) => el("li", {}, `${one.name}, scenario ${bad.case + 1}: ${bad.reason}`))))) : null);
  const changes = (models) => {
    const others = models.filter((one) => one.change);
    if (!others.length) return null;
    const LABEL = { mass: "Mass, points", lift: "Lift", kept_lift: "Lift without sink and template" };
    const cell = (name, one) => { const own = one.change[name], scale = name === "mass" ? 100 : 1, plus = (value) => `${value > 0 ? "+" : ""}${number(scale * value, 2)}`; return el("td", { class: "st-number", "data-change": name }, own.reason ? own.reason : plus(own.value), own.reason || none(own.interval.low) ? null : el("span", { class: "st-dim st-interval" }, `${plus(own.interval.low)} to ${plus(own.interval.high)}, p ${chance(own.p)}`)); };
    return card("st-attention-change", `Compared with ${models[0].name}`, scroll("Differences", el("table", { class: "st-table" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Model"), Object.values(LABEL).map((label) => el("th", { scope: "col", class: "st-number" }, label)))), el("tbody", {}, others.map((one) => el("tr", {}, el("th", { scope: "row" }, one.name), Object.keys(LABEL).map((name) => cell(name, one))))))), el("p", { class: "st-dim" }, "Scenario by scenario over those that both models read. p: signs of the scenarios' differences turned at random."));
  };
  const curves = (models) => {
    const picture = el("div", { id: "st-attention-curve" });
    const others = models.filter((one) => one.curve_change && one.curve_change.mass), plus = (value) => (none(value) ? "–" : `${value > 0 ? "+" : ""}${number(100 * value, 2)}`);
    const said = (one, bin) => { const own = state.by === "change" ? one.curve_change : one.curve; return !own || !own.mass ? "–" : state.by === "change" ? `${plus(own.mass[bin])} [${plus(own.low[bin])} to ${plus(own.high[bin])}]` : `${share(own.mass[bin], 2)} %, ${number(own.lift[bin], 2)} ×`; };
    const bins = () => { const names = form.segments.flatMap(([name, count]) => [...Array(count).keys()].map((at) => `${name} ${at + 1}`)), shown = state.by === "change" ? others : models; return el("details", {}, el("summary", {}, "Numbers of the curve"), scroll("Numbers of the curve", el("table", { class: "st-table" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Place"), shown.map((one) => el("th", { scope: "col", class: "st-number" }, one.name)))), el("tbody", {}, names.map((name, bin) => el("tr", {}, el("th", { scope: "row" }, name), shown.map((one) => el("td", { class: "st-number" }, said(one, bin))))))))); };
    const draw = () => fill(picture, switcher("Height", [["lift", "Times uniform"], ["mass", "Percent"], ...(others.length ? [["change", "Change"]] : [])], state.by, (by) => { state.by = by; draw(); picture.querySelector(`[data-choice="${by}"]`).focus(); }), Subtext.attentionCurve(models, form.segments, state.by), bins());
    draw();
    return card("st-attention-curves", "Along the prompt", picture);
  };

  // One scenario of all models under each other.
  const show = guarded(async (place) => {
    const own = found.numbers.filter((one) => one.case === place && one.figures).map((one) => `job-${id}-${one.model}-${place}`);
    const bad = found.numbers.filter((one) => one.case === place && !one.figures);
    history.replaceState(history.state, "", `/attention?job=${id}&case=${place}`);
    view.hidden = false;
    const field = el("div");
    fill(view, el("h2", { id: "st-attention-view-title" }, `Scenario ${place + 1}`), el("p", { class: "st-verbatim", dir: "auto" }, found.cases[place].query), bad.map((one) => el("p", { class: "st-warning" }, `${found.models[one.model].name}: ${one.reason}`)), field);
    const tried = await Subtext.attentionSlices(own), slices = tried.flatMap((one) => one.slice || []);
    field.before(...tried.filter((one) => one.gone).map((one) => el("p", { class: "st-warning" }, `${found.models[Number(one.of.split("-")[2])].name}: ${one.gone}`)));
    for (const one of slices) { one.model = found.models[Number(one.of.split("-")[2])].name; }
    if (!own.length) { fill(field, el("p", { class: "st-dim" }, "No model has read this scenario yet.")); return; }
    if (!slices.length) return;
    const looked = el("div");
    fill(field, looked);
    Subtext.attentionView(looked, slices, form.notice);
    for (const [at, one] of slices.entries()) if (one.use) { const meter = el("div"); field.append(el("h3", {}, `What ${one.model} answered`), meter); Subtext.useMeter(meter, one.use, one.answer || "", form.meaning, ` ${at + 1}`); }
  });
  // The field for a word is made once; only the list under it is drawn again, and stays where it was scrolled to.
  const list = el("div", { class: "st-scroll st-prompts", tabindex: "0", role: "region", "aria-label": "List of scenarios" });
  const word = el("input", { type: "search", placeholder: "Find a scenario", "aria-label": "Find a scenario", oninput: () => { state.find = word.value.toLowerCase(); list.scrollTop = 0; scenarios(); } });
  const scenarios = () => {
    const by = new Map(found.numbers.map((one) => [`${one.model}/${one.case}`, one])), top = list.scrollTop;
    const held = list.contains(document.activeElement) ? document.activeElement.dataset.case : undefined;
    const hits = found.cases.map((one, at) => ({ ...one, at })).filter((one) => !state.find || `${one.preference} ${one.query}`.toLowerCase().includes(state.find));
    fill(list, el("table", { class: "st-table st-models" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Scenario"), found.models.map((one) => el("th", { scope: "col", class: "st-number" }, `${one.name}: mass, lift`)))),
      el("tbody", {}, hits.slice(0, 200).map((one) => el("tr", {}, el("th", { scope: "row" }, el("button", { class: "st-link", type: "button", "data-case": one.at, onclick: () => { show(one.at); view.scrollIntoView({ block: "start" }); } }, one.query), el("span", { class: "st-dim", dir: "auto" }, one.preference)), found.models.map((model, place) => { const own = by.get(`${place}/${one.at}`); return el("td", { class: "st-number", "data-label": model.name }, !own ? "–" : own.figures ? `${share(own.figures.mass)} %, ${number(own.figures.lift, 2)} ×` : "not read"); }))))), hits.length > 200 ? el("p", { class: "st-dim" }, `The first 200 of ${hits.length.toLocaleString("en")}; search for others.`) : null);
    list.scrollTop = top;
    if (held !== undefined) list.querySelector(`[data-case="${held}"]`)?.focus({ preventScroll: true });
  };
  // Only lines that are not known yet are asked for; a model and a scenario told twice count once.
  const take = (told) => {
    const known = new Map((told.since && found ? found.numbers : []).map((one) => [`${one.model}/${one.case}`, one]));
    for (const one of told.numbers) known.set(`${one.model}/${one.case}`, one);
    found = { ...(told.since ? found : {}), ...told, numbers: [...known.values()] };
  };
  const refresh = async () => {
    clearTimeout(timer);
    take(await api(`/api/attention/runs/${id}?since=${found ? found.lines : 0}`));
    const { job } = await api(`/api/jobs/${id}`);
    fill(live, Subtext.jobline(job, "reading", "log and command"));
    const mark = JSON.stringify(found.report);
    if (mark !== told_report) {
      told_report = mark;
      fill(report, found.report ? [figures(found.report.models), curves(found.report.models), changes(found.report.models)] : el("p", { class: "st-dim" }, "The averages are made when the job ends."));
    }
    if (found.numbers.length !== told_lines) { told_lines = found.numbers.length; scenarios(); }
    // The longer the job, the less a single prompt changes: 2.5 to 10 seconds.
    if (Subtext.alive(found.status)) timer = setTimeout(() => look(), Math.max(2500, Math.min(10000, found.cases.length * found.models.length)));
  };
  const look = guarded(refresh);
  fill(box, card("st-attention-job", "The job", live), report, view, card("st-attention-cases", "Scenarios", word, list));
  await refresh();
  const wanted = query.get("case");
  if (found && wanted !== null && /^\d{1,5}$/.test(wanted) && found.cases[Number(wanted)]) await show(Number(wanted));
  return found ? found.name : "Attention";
};
