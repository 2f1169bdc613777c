// The report of an evaluation: tables beside the paper's rows, differences, pictures, topics, audits, the methods paragraph, exports.
Subtext.evalreport = async (box, id) => {
  const { el, api, fill, guarded, many } = Subtext;
  const { none, percent, share, points, chance, span, between, when, check, address, scroll, card, switcher, copy } = Subtext.evaluating;
  const query = new URLSearchParams(location.search);
  const RULES = [["both", "Both rules"], ["corrected", "Ours"], ["published", "Published"]];
  const ABOUT = { corrected: "Ours: a response counts only where every check that the number needs has a yes or a no.", published: "Published: whatever was not judged counts as a failure or a success, as in the published scripts." };
  const chosen = (name, options, otherwise) => (options.includes(query.get(name)) ? query.get(name) : otherwise);
  const state = { rule: chosen("rule", RULES.map(([name]) => name), "both"), table: query.get("table") || "", differ: "acc_pf", topic: "acc_pf", sort: null, opened: new Set() };
  let found = null, said = "";
  const keep = () => history.replaceState(history.state, "", address(id, { rule: state.rule === "both" ? "" : state.rule, table: state.table === found.tables[0]?.label ? "" : state.table }));
  const label = (metric) => found.metrics.find((one) => one.name === metric)?.label || metric;
  const lower = (metric) => found.metrics.find((one) => one.name === metric)?.lower;
  const row = (place) => found.rows[place]?.label || `row ${place + 1}`;
  const details = (name, summary, ...content) => el("details", { "data-kept": name, open: state.opened.has(name), ontoggle: (event) => { if (event.target.open) state.opened.add(name); else state.opened.delete(name); } }, el("summary", {}, summary), ...content);
  const down = (text, less) => (less ? [text, el("span", { "aria-hidden": "true" }, " ↓"), el("span", { class: "st-only-readers" }, " (lower is better)")] : text);
  const behind = (place, metric, ...content) => el("a", { class: "st-cell", href: address(id, { row: place, metric }), "data-cell": `${place}/${metric}` }, ...content);

  // The tables.
  const shows = (head, columns) => state.rule === "both" || head.rule === state.rule || !columns.some((one) => one.metric === head.metric && one.rule !== head.rule);
  const own = (shown, head, place) => {
    if (none(shown.percent)) return el("td", { class: "st-number" }, Subtext.noted(behind(place, head.metric, "–", el("span", { class: "st-only-readers" }, ` ${shown.why}`)), shown.why));
    return el("td", { class: "st-number" }, behind(place, head.metric, percent(shown.percent)), shown.best ? el("span", { class: "st-best-mark", title: "the best of our rows" }, "★", el("span", { class: "st-only-readers" }, " best of our rows")) : null, el("span", { class: "st-dim st-interval" }, span(shown.low, shown.high) || (head.rule === "published" ? `of ${shown.n}` : "")));
  };
  const printed = (line, columns, place) => {
    const head = columns[place], twin = columns.findIndex((one) => one.metric === head.metric && one.rule === "published");
    const shown = state.rule === "corrected" && twin >= 0 ? line.shown[twin] : line.shown[place];
    return el("td", { class: "st-number", title: none(shown.percent) ? shown.why : null }, percent(shown.percent));
  };
  const layout = (made) => {
    const places = made.columns.map((head, place) => place).filter((place) => shows(made.columns[place], made.columns));
    const groups = [...new Set(made.lines.map((line) => line.group))];
    const line = (one) => el("tr", { class: one.row === null ? "st-printed" : "st-ours", "data-row": one.row === null ? null : one.row },
      el("th", { scope: "row" }, one.row === null ? [one.name, el("span", { class: "st-tag" }, "paper")] : one.name),
      made.marks.map((_, place) => el("td", { class: "st-mark-cell" }, one.marks[place] ? ["✓", el("span", { class: "st-only-readers" }, " yes")] : el("span", { class: "st-only-readers" }, "no"))),
      places.map((place) => (one.row === null ? printed(one, made.columns, place) : own(one.shown[place], made.columns[place], one.row))));
    const twice = (head) => made.columns.some((one) => one.metric === head.metric && one.rule === "published");
    const rule = (head) => (head.rule === "published" ? "published rule" : state.rule === "both" && twice(head) ? "ours" : "");
    const heads = places.map((place) => made.columns[place]).map((head) => el("th", { scope: "col", class: "st-number" }, down(head.text.replace(" (published rule)", ""), head.lower), rule(head) ? el("span", { class: "st-dim st-rule" }, rule(head)) : null));
    return [el("h3", {}, made.title), scroll(made.title, el("table", { class: "st-table st-scores", "data-table": made.label }, el("caption", { class: "st-only-readers" }, `${made.title}, in percent`),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Row"), made.marks.map((name) => el("th", { scope: "col" }, name)), heads)),
      groups.map((group) => el("tbody", {}, group ? el("tr", {}, el("th", { scope: "rowgroup", class: "st-group", colspan: 1 + made.marks.length + places.length }, group)) : null, made.lines.filter((one) => one.group === group).map(line))))),
      el("p", { class: "st-dim" }, "Percent of responses, with 95 % intervals over scenarios beneath. ★ best of our rows. Every number of ours opens its responses. ", made.lines.some((one) => one.row === null) ? "The paper prints one score, by the published rule; its models and judges are others than here." : null),
      made.notes.map((note) => el("p", { class: "st-dim" }, note)), rests(made, places)];
  };
  // How far the responses behind each number came.
  const rests = (made, places) => {
    const metrics = [...new Set(places.map((place) => made.columns[place].metric))], rows = [...new Set(made.lines.map((one) => one.row).filter((one) => one !== null))];
    if (!rows.length) return null;
    const groups = []; // numbers that need the same checks come equally far
    for (const metric of metrics) { const needs = found.metrics.find((one) => one.name === metric).checks.join(), same = groups.find((one) => one.needs === needs); if (same) same.metrics.push(metric); else groups.push({ needs, metrics: [metric] }); }
    const names = new Map(made.columns.filter((head) => head.rule === "corrected").map((head) => [head.metric, head.text]));
    return [el("h3", {}, "What the numbers rest on"), scroll("What the numbers rest on", el("table", { class: "st-table st-rests" }, el("caption", { class: "st-only-readers" }, "Responses planned, generated, judged, parsed and counted, by row"),
      el("thead", {}, el("tr", {}, ["Row", "Planned", "Generated"].map((text, place) => el("th", { scope: "col", class: place ? "st-number" : null }, text)), groups.map((one) => el("th", { scope: "col", class: "st-number" }, one.metrics.map((metric) => names.get(metric) || label(metric)).join(", "))))),
      el("tbody", {}, rows.map((place) => el("tr", {}, el("th", { scope: "row" }, row(place)), ["planned", "generated"].map((name) => el("td", { class: "st-number" }, found.cells[place][metrics[0]][name].toLocaleString("en"))),
        groups.map((one) => { const cell = found.cells[place][one.metrics[0]]; return el("td", { class: "st-number" }, [cell.judged, cell.parsed, cell.n].map((count) => count.toLocaleString("en")).join(" · ")); })))))),
      el("p", { class: "st-dim" }, "Responses judged (a reply came) · parsed (a verdict could be read) · counted (a yes or a no on every check that the number needs).")];
  };
  const choices = () => {
    const rows = found.rows.filter((one) => one.task === "choice");
    return rows.length ? [el("h3", {}, "Multiple choice"), scroll("Multiple choice", el("table", { class: "st-table st-scores" }, el("thead", {}, el("tr", {}, ["Row", "Right, %", "Published rule, %", "Planned", "With a letter"].map((text, place) => el("th", { scope: "col", class: place ? "st-number" : null }, text)))),
      el("tbody", {}, rows.map((one) => { const cell = found.cells[one.place].acc_mc; return el("tr", { class: "st-ours" }, el("th", { scope: "row" }, one.label), own({ percent: none(cell.value) ? null : 100 * cell.value, low: none(cell.interval.low) ? null : 100 * cell.interval.low, high: none(cell.interval.high) ? null : 100 * cell.interval.high, why: cell.why, n: cell.n }, { metric: "acc_mc", rule: "corrected" }, one.place), el("td", { class: "st-number" }, cell.published ? share(cell.published.value) : "–"), el("td", { class: "st-number" }, cell.planned), el("td", { class: "st-number" }, cell.n)); })))),
      el("p", { class: "st-dim" }, "The right option among the shown ones; no judge is needed. A reply without a letter is left out of ours and is wrong by the published rule.")] : null;
  };
  const tables = () => {
    const made = found.tables.find((one) => one.label === state.table) || found.tables[0];
    if (made) state.table = made.label;
    const names = { "tab:evaluation": "Table 1", "tab:ablation": "Table 3", "tab:errors": "Errors" };
    return card("st-tables", "Scores", made ? [el("div", { class: "st-toolbar" }, found.tables.length > 1 ? switcher("Table", found.tables.map((one) => [one.label, names[one.label] || one.title]), state.table, (value) => { state.table = value; keep(); draw(); }) : null, switcher("Rule", RULES, state.rule, (value) => { state.rule = value; keep(); draw(); })),
      el("p", { class: "st-dim", id: "st-rule" }, Object.entries(ABOUT).filter(([name]) => state.rule === "both" || state.rule === name).map(([, text]) => `${text} `)), layout(made)] : found.rows.some((one) => one.task === "answer") ? el("p", { class: "st-dim" }, "No check was asked.") : null, choices());
  };

  // Differences, pictures, topics, audits.
  const differences = () => {
    const metrics = found.metrics.filter((one) => found.differences.some((other) => other.metric === one.name && !none(other.value)));
    if (!metrics.length) return null;
    if (!metrics.some((one) => one.name === state.differ)) state.differ = metrics[0].name;
    const rows = found.differences.filter((one) => one.metric === state.differ).sort((a, b) => (a.p_holm ?? 2) - (b.p_holm ?? 2)), less = lower(state.differ);
    const word = (one) => (none(one.p_holm) ? el("span", { class: "st-dim" }, "not tested") : one.p_holm >= 0.05 ? el("span", { class: "st-dim" }, "within chance") : one.value > 0 === !less ? el("span", { class: "st-better" }, "better ✓") : el("span", { class: "st-bad-text" }, el("b", {}, "worse ✕")));
    const which = el("select", { id: "st-differ", onchange: () => { state.differ = which.value; draw(); } }, metrics.map((one) => el("option", { value: one.name, selected: one.name === state.differ }, one.label)));
    return card("st-differences", "Differences", el("label", { class: "st-beside" }, "Of ", which), el("p", { class: "st-dim" }, `The first row less the second on the scenarios that both have${less ? "; lower is better here, so a negative difference is better" : ""}. p by flipping signs, corrected by Holm over the pairs of this number. Better and worse are said only below 0.05.`),
      scroll("Table of differences", el("table", { class: "st-table" }, el("thead", {}, el("tr", {}, ["First", "Second", "Difference, points", "p", "p, Holm", "Scenarios", "First is", ""].map((text, place) => (text ? el("th", { scope: "col", class: place > 1 && place < 6 ? "st-number" : null }, text) : el("td", {}))))),
        el("tbody", {}, rows.slice(0, 200).map((one) => el("tr", { class: one.p_holm < 0.05 && !none(one.p_holm) ? "st-marked-row" : null }, el("th", { scope: "row" }, row(one.first)), el("td", {}, row(one.second)), el("td", { class: "st-number" }, points(one.value), el("span", { class: "st-dim st-interval" }, between(one.interval))), el("td", { class: "st-number" }, chance(one.p)), el("td", { class: "st-number" }, chance(one.p_holm)), el("td", { class: "st-number" }, one.scenarios), el("td", {}, word(one)), el("td", {}, el("a", { href: address(id, { first: one.first, second: one.second, metric: one.metric }), "aria-label": `Compare ${row(one.first)} with ${row(one.second)}` }, "Compare"))))))),
      rows.length > 200 ? el("p", { class: "st-dim" }, `The first 200 of ${rows.length.toLocaleString("en")} pairs.`) : null);
  };
  const pictures = () => (found.rows.some((one) => one.task === "answer") && found.tables.length ? card("st-pictures", "Pictures", el("div", { class: "st-squares" }, Subtext.radar({ ...found.radar, rows: found.radar.rows.filter((one) => one.row === null || found.rows[one.row].task === "answer") }, id), Subtext.frontier(found.frontier, id))) : null);
  const topics = () => {
    if (!found.topics.length) return null;
    const places = [...new Set(found.topics.map((one) => one.row))].filter((place) => found.rows[place].task === "answer").slice(0, 12), cells = new Map(found.topics.filter((one) => one.metric === state.topic).map((one) => [`${one.row}/${one.topic}`, one]));
    const names = [...new Set(found.topics.map((one) => one.topic))], value = (topic, place) => cells.get(`${place}/${topic}`)?.value ?? null, size = (topic) => Math.max(0, ...places.map((place) => cells.get(`${place}/${topic}`)?.planned || 0));
    const [by, turned] = state.sort || [null, false];
    const rank = (topic) => (by === null ? 0 : by === "n" ? size(topic) : value(topic, by) ?? -1);
    names.sort((a, b) => (by === null ? 0 : (rank(b) - rank(a)) * (turned ? -1 : 1)) || a.localeCompare(b));
    if (by === "topic" && turned) names.reverse();
    const head = (key, text, numeric) => el("th", { scope: "col", class: numeric ? "st-number" : null, "aria-sort": (by === null && key === "topic") || by === key ? (key === "topic" ? (turned ? "descending" : "ascending") : turned ? "ascending" : "descending") : null },
      el("button", { class: "st-sort", type: "button", "data-sort": key, onclick: () => { state.sort = [key, (by === null && key === "topic") || by === key ? !turned : false]; draw(); } }, text, el("span", { "aria-hidden": "true" }, by === key ? (turned ? " ▴" : " ▾") : " ↕")));
    return card("st-topics", "By topic", el("div", { class: "st-toolbar" }, switcher("Number by topic", [["acc_pf", "Acc_PF"], ["acc_da", "Acc_DA"], ["acc_mis", "Acc_Mis ↓"]], state.topic, (choice) => { state.topic = choice; draw(); })), el("p", { class: "st-dim" }, "Topics are looked at, not tested: among twenty some differ by chance. How many responses count stands beneath each number."),
      scroll("Table by topic", el("table", { class: "st-table st-topic-table" }, el("thead", {}, el("tr", {}, head("topic", "Topic"), head("n", "Cases", true), places.map((place) => head(place, row(place), true)))),
        el("tbody", {}, names.slice(0, 300).map((topic) => el("tr", {}, el("th", { scope: "row" }, topic || "(no topic)"), el("td", { class: "st-number" }, size(topic)), places.map((place) => { const one = cells.get(`${place}/${topic}`); return el("td", { class: "st-number" }, one ? [share(one.value), el("span", { class: "st-dim st-interval" }, `${between(one.interval)}${none(one.interval.low) ? "" : ", "}n ${one.n}`)] : "–"); })))))),
      names.length > 300 ? el("p", { class: "st-dim" }, `The first 300 of ${many(names.length, "topic")}.`) : null);
  };
  const order = () => {
    const { judges, choice } = found.orders, number = (text) => el("td", { class: "st-number" }, text);
    const line = (name, one) => el("tr", { "data-order": name }, el("th", { scope: "row" }, name === "all" ? "all together" : check(name)), number(one.both), number([share(one.agree), el("span", { class: "st-dim st-interval" }, between(one.agree_drawn))]), number(one.yes_no), number(one.no_yes), number([points(one.bias), el("span", { class: "st-dim st-interval" }, between(one.bias_drawn))]), number(chance(none(one.p_holm) ? one.p : one.p_holm)));
    const table = (name, rows) => scroll(`Order, ${name}`, el("table", { class: "st-table" }, el("caption", {}, name), el("thead", {}, el("tr", {}, ["", "Both orders", "Same, %", "Yes as given only", "Yes turned only", "Yes as given less turned, points", "p"].map((text, place) => (text ? el("th", { scope: "col", class: "st-number" }, text) : el("td", {}))))), el("tbody", {}, rows)));
    return [el("h3", {}, "Does the order of what it reads move a judge?"), judges.length ? [el("p", { class: "st-dim" }, "A share of the cases was judged once more with preference, query and response in the other order. These verdicts are in no number of the report. p is by flipping the signs of whole scenarios' differences, corrected over the checks (none for all together)."),
      judges.map((rows, place) => table(found.evaluation.judges[place]?.name || `judge ${place + 1}`, rows.map((one) => line(one.check || "all", one)))), choice ? table("Multiple choice, options turned round: yes is the right option", [line("choice", choice)]) : null] : choice ? table("Multiple choice, options turned round: yes is the right option", [line("choice", choice)]) : el("p", { class: "st-dim" }, "It was not asked: the setting \"share judged in both orders\" was 0.")];
  };
  const audits = () => {
    const judged = Object.entries(found.verbosity), repeated = found.consistency.map((one, judge) => [judge, Object.entries(one).filter(([, own]) => own.asked)]).filter(([, own]) => own.length);
    if (!judged.length) return null;
    return card("st-audits", "The judges", details("audits", "Audits: length of responses, the same question again, the order",
      el("h3", {}, "Does a judge like long responses?"), el("p", { class: "st-dim" }, "The change of the share of yes, in points, for every doubling of a response's length, compared within rows. Longer responses may be better: this shows that a judge is moved, not why. The last column goes from the shortest to the longest quarter."),
      scroll("Length of responses", el("table", { class: "st-table" }, el("thead", {}, el("tr", {}, ["Check", "Points a doubling", "95 % interval", "Responses", "Yes, % by quarter"].map((text, place) => el("th", { scope: "col", class: place ? "st-number" : null }, text)))), el("tbody", {}, judged.map(([name, one]) => el("tr", {}, el("th", { scope: "row" }, check(name)), el("td", { class: "st-number" }, points(one.slope.value)), el("td", { class: "st-number" }, between(one.slope.interval) || "–"), el("td", { class: "st-number" }, one.slope.n), el("td", { class: "st-number" }, one.quarters.map((part) => share(part[2], 0)).join(" · "))))))),
      el("h3", {}, "Does a judge say the same again?"), repeated.length ? repeated.map(([judge, own]) => scroll(`Repeats of judge ${judge + 1}`, el("table", { class: "st-table" }, el("caption", {}, found.evaluation.judges[judge]?.name || `judge ${judge + 1}`), el("thead", {}, el("tr", {}, ["Check", "Asked again", "All alike", "Pairs alike, %"].map((text, place) => el("th", { scope: "col", class: place ? "st-number" : null }, text)))), el("tbody", {}, own.map(([name, one]) => el("tr", {}, el("th", { scope: "row" }, check(name)), el("td", { class: "st-number" }, one.asked), el("td", { class: "st-number" }, one.same), el("td", { class: "st-number" }, share(one.pairs)))))))) : el("p", { class: "st-dim" }, "Every judge was asked once. With more repeats this shows how often a judge agrees with itself."), order()));
  };
  const methods = () => { const text = el("p", { class: "st-verbatim", id: "st-methods" }, found.methods || "This version cannot read the order of the evaluation."); return card("st-writing", "For a paper", text, el("div", { class: "st-actions" }, found.methods ? copy(() => text.textContent) : null)); };

  // The head: what was evaluated, how far it is, exports, removal.
  const fact = (name, ...value) => [el("dt", {}, name), el("dd", {}, ...value)];
  const FORMATS = [["csv", "CSV"], ["json", "JSON"], ["latex", "LaTeX"], ["html", "HTML"], ["methods", "Methods as text"]];
  const forget = () => {
    const name = el("input", { id: "st-forget-name", "aria-label": "Name of the evaluation", autocomplete: "off", spellcheck: "false" });
    const go = el("button", { class: "st-button st-danger", type: "button", id: "st-forget-go", onclick: guarded(async () => { await api(`/api/evaluations/${id}/remove`, { name: name.value }); location.href = "/evaluate"; }) }, "Delete for good");
    Subtext.dialog("Delete this evaluation", el("p", {}, "All its answers and verdicts go with it, people's too. Type its name to delete it:"), el("p", { class: "st-verbatim" }, found.evaluation.name), name, go);
  };
  const head = (job) => {
    const one = found.evaluation, going = Subtext.alive(one.status), data = one.data;
    return card("st-about", "What was evaluated", el("dl", { class: "st-facts" },
      fact("Set", el("a", { href: `/data?set=${data.set}` }, `${data.name} v${data.version}`), ` · ${many(data.cases, "case")}, in the form of ${data.like}`),
      fact("Rows", one.spec.rows.length, one.spec.choices ? ", and multiple choice beside" : null), fact("Judges", one.judges.length ? one.judges.map((judge) => judge.name).join(", ") : "none", one.spec.repeats > 1 ? `, each asked ${one.spec.repeats} times` : null),
      fact("Asked", when(one.created_at), one.finished_at ? ` · finished ${when(one.finished_at)}` : " · not finished"),
      fact("State", el("span", { class: "st-tag st-status", id: "st-state", "data-status": one.status || (one.finished_at ? "done" : "stopped") }, one.finished_at && !going ? "finished" : one.status || "stopped"), ` ${found.answers.generated.toLocaleString("en")} of ${many(found.answers.planned, "answer")}, ${many(found.answers.verdicts, "verdict")} `, one.job ? el("a", { href: `/jobs?job=${one.job}`, id: "st-job-link" }, `Job ${one.job}`) : null)),
      going ? el("progress", { class: "st-wide-progress", max: job?.progress_total || found.answers.planned || 1, value: job?.progress_total ? job.progress_done : found.answers.generated, "aria-label": "Progress of the evaluation" }) : null,
      going ? el("p", { class: "st-dim" }, job?.message ? `${job.message} ` : null, "The report fills while the job runs; numbers move until it is done.") : null,
      !going && !one.finished_at ? el("p", { class: "st-note" }, "The evaluation is not complete. Start its job again on the Jobs page: nothing that was answered is asked twice.") : null,
      el("div", { class: "st-actions" }, one.judges.length ? el("a", { class: "st-button st-primary", href: address(id, { view: "people" }), id: "st-with-people" }, "Check with people") : null, el("a", { class: "st-button", href: `/evaluate?plan=${id}`, id: "st-plan-next" }, "Plan the next study")),
      el("div", { class: "st-actions", role: "group", "aria-label": "Export" }, FORMATS.map(([name, text]) => el("a", { class: "st-button", href: `/api/evaluations/${id}/export/${name}`, download: "", "data-export": name }, text)), el("a", { class: "st-button", href: address(id, { first: 0, second: found.rows.length > 1 && found.rows[1].task === found.rows[0].task ? 1 : 0 }), id: "st-compare-link" }, "Compare rows, or with another evaluation"), el("button", { class: "st-button st-danger", type: "button", id: "st-forget", disabled: going, title: going ? "Cancel its job first." : null, onclick: forget }, "Delete…")));
  };

  // What is drawn again keeps its place: the focus, the way each box was scrolled, what is open.
  const draw = (job) => {
    const mark = document.activeElement, path = mark && box.contains(mark) ? ["data-cell", "data-choice", "data-sort", "data-export", "id", "href"].map((name) => (mark.hasAttribute(name) ? [name, mark.getAttribute(name)] : null)).find(Boolean) : null;
    const left = new Map([...box.querySelectorAll(".st-scroll")].map((one) => [one.getAttribute("aria-label"), one.scrollLeft])), top = scrollY;
    fill(box, head(job), tables(), differences(), pictures(), topics(), audits(), methods());
    for (const one of box.querySelectorAll(".st-scroll")) one.scrollLeft = left.get(one.getAttribute("aria-label")) || 0;
    if (path) box.querySelector(`[${path[0]}="${CSS.escape(path[1])}"]`)?.focus({ preventScroll: true });
    if (scrollY !== top) scrollTo({ top });
  };
  const load = async () => {
    const next = await api(`/api/evaluations/${id}`), job = next.evaluation.job && Subtext.alive(next.evaluation.status) ? (await api(`/api/jobs/${next.evaluation.job}`)).job : null;
    const text = JSON.stringify([{ ...next, seconds: 0 }, job?.message, job?.progress_done]);
    if (text !== said && !document.querySelector("dialog[open]")) { [found, said] = [next, text]; draw(job); }
    if (Subtext.alive(next.evaluation.status)) { const again = () => setTimeout(() => (document.hidden ? again() : guarded(load)()), 3000); again(); }
  };
  await load();
  return found.evaluation.name;
};
