// What is behind a number of an evaluation: its responses one by one with every verdict, and two rows on the same cases.
(() => {
  "use strict";
  const Subtext = (window.Subtext = window.Subtext || {});
  const PAGE = 50;

  // A list of cases at the side and the chosen one in full, by mouse and by j and k. `load` gets a page, `line` draws an entry, `show` one in full.
  const browse = (box, { state, keep, address, load, line, show, empty }) => {
    const { el, fill, guarded } = Subtext;
    const list = el("ol", { class: "st-cases", id: "st-cases" }), pages = el("div", { class: "st-toolbar" }), panel = el("div", { class: "st-case", id: "st-case", tabindex: "-1" });
    let items = [], total = 0, turn = 0;
    const choose = guarded(async (chosen, into = false) => {
      const mine = ++turn;
      state.case = chosen;
      keep();
      for (const link of list.querySelectorAll("a")) { if (Number(link.dataset.case) === chosen) { link.setAttribute("aria-current", "true"); link.scrollIntoView({ block: "nearest" }); } else link.removeAttribute("aria-current"); }
      const content = await show(chosen, items.find((one) => one.case === chosen));
      if (mine !== turn) return;
      fill(panel, content);
      panel.dataset.shown = chosen;
      if (into && matchMedia("(max-width: 900px)").matches) panel.scrollIntoView({ block: "start" });
    });
    const draw = () => {
      fill(list, items.map((one) => el("li", {}, el("a", { class: "st-row", href: address({ case: one.case }), "data-case": one.case, onclick: (event) => { if (event.metaKey || event.ctrlKey || event.shiftKey) return; event.preventDefault(); choose(one.case, true); } }, line(one)))));
      const from = total ? state.offset + 1 : 0, to = Math.min(total, state.offset + PAGE);
      fill(pages, el("span", { class: "st-dim", id: "st-cases-shown" }, total ? `${from} to ${to} of ${total.toLocaleString("en")}` : "none"), total > PAGE ? [el("button", { class: "st-button", type: "button", id: "st-page-before", disabled: !state.offset, onclick: () => turnTo(state.offset - PAGE) }, "← Before"), el("button", { class: "st-button", type: "button", id: "st-page-after", disabled: to >= total, onclick: () => turnTo(state.offset + PAGE) }, "After →")] : null);
    };
    const take = async () => {
      const found = await load();
      [items, total] = [found.items, found.total];
      if (state.offset >= total && state.offset) { state.offset = total ? Math.floor((total - 1) / PAGE) * PAGE : 0; return take(); }
      draw();
      return found;
    };
    const first = async (wanted = null) => {
      await take();
      if (!items.length) { turn += 1; state.case = null; keep(); fill(panel, el("p", { class: "st-dim" }, empty)); return; }
      await choose(wanted !== null ? wanted : items[0].case);
    };
    const open = guarded(first);
    const turnTo = (offset) => { state.offset = Math.max(0, offset); return open(); };
    const by = (step) => { const at = items.findIndex((one) => one.case === state.case), next = items[at + step]; if (next) choose(next.case); else if (step > 0 && state.offset + PAGE < total) turnTo(state.offset + PAGE); };
    Subtext.keys({ j: ["next case", () => by(1)], k: ["case before", () => by(-1)] });
    box.append(el("div", { class: "st-case-sides" }, el("nav", { class: "st-card st-case-list", "aria-label": "Cases" }, pages, list), el("section", { class: "st-card", "aria-label": "The case in full" }, panel)));
    return { first, refilter: () => { state.offset = 0; return open(); } };
  };
  const short = (text, most = 150) => { const flat = text.slice(0, 4 * most).replace(/\s+/g, " ").trim(); return flat.length > most ? `${flat.slice(0, most - 1)}…` : flat; };
  const asked = (name) => { const value = new URLSearchParams(location.search).get(name); return value !== null && /^\d{1,9}$/.test(value) ? Number(value) : null; };
  const word = (name, options, otherwise) => { const value = new URLSearchParams(location.search).get(name); return options.includes(value) ? value : otherwise; };
  const METRICS = ["acc_pf", "acc_da", "acc_mis", "m_th", "m_dm", "m_ie", "e_puv", "e_hp", "e_ir", "e_ur", "acc_mc"];
  const pick = (id, label, options, value, change) => { const select = Subtext.el("select", { id, onchange: () => change(select.value) }, options.map(([key, text]) => Subtext.el("option", { value: key, selected: String(key) === String(value) }, text))); return Subtext.el("label", {}, label, select); };
  const fitting = (found, place) => found.metrics.filter((one) => (one.name === "acc_mc") === (found.rows[place]?.task === "choice")).map((one) => [one.name, one.label]);

  // The responses of one row behind one number.
  Subtext.evalitems = async (box, id) => {
    const { el, api, fill } = Subtext, { address: at, outcome, state: said, check, card, filters } = Subtext.evaluating;
    const STATES = ["", "holds", "fails", "uncounted"];
    const state = { row: asked("row"), metric: word("metric", METRICS, "acc_pf"), state: word("state", STATES, ""), offset: asked("offset") || 0, case: asked("case") };
    const address = (change) => at(id, { ...state, offset: state.offset || "", ...change });
    const keep = () => history.replaceState(history.state, "", address({}));
    const choice = el("div");
    let found = null;
    const load = async () => {
      found = await api(`/api/evaluations/${id}/items?${new URLSearchParams({ row: state.row, metric: state.metric, state: state.state, offset: state.offset })}`);
      drawChoice();
      return found;
    };
    const drawChoice = () => {
      const counts = found.counts, all = Object.values(counts).reduce((sum, count) => sum + count, 0);
      fill(choice, el("div", { class: "st-rollout-choice" }, pick("st-row", "Row", found.rows.map((one) => [one.place, one.label]), state.row, (value) => { state.row = Number(value); const known = fitting(found, state.row).map(([name]) => name); if (!known.includes(state.metric)) state.metric = known[0]; list.refilter(); }),
        pick("st-metric", "Number", fitting(found, state.row), state.metric, (value) => { state.metric = value; list.refilter(); })),
      filters("Which responses", STATES.map((name) => (name ? [name, said(name), counts[name]] : [name, "all", all])), state.state, (value) => { state.state = value; list.refilter(); }));
    };
    const line = (one) => [el("span", { class: "st-row-query" }, el("span", {}, short(one.query, 110)), el("span", { class: "st-tag st-state", "data-state": one.state }, said(one.state))), el("span", { class: "st-row-preference" }, short(one.preference)), el("span", { class: "st-row-foot" }, Object.entries(one.checks).map(([name, value]) => el("span", { class: "st-dim" }, `${check(name)}: ${value || "not asked"}`)))];
    const verdict = (one) => el("article", { class: "st-verdict", "data-check": one.check }, el("p", { class: "st-verdict-head" }, el("b", {}, check(one.check)), " ", outcome(one.outcome), el("span", { class: "st-dim" }, ` ${one.judge}${one.repeat ? `, time ${one.repeat + 1}` : ""}`)),
      one.explanation ? el("p", { class: "st-verbatim" }, one.explanation) : null, one.why ? el("p", { class: "st-bad-text st-verbatim" }, one.why) : null,
      one.reply && one.reply !== one.explanation ? el("details", {}, el("summary", {}, "Whole reply of the judge"), el("pre", { class: "st-raw", tabindex: "0" }, one.reply)) : null);
    const show = async (number, known) => {
      const told = await api(`/api/evaluations/${id}/items/${state.row}/${number}`), { case: one, answer } = told;
      const needs = found.metrics.find((other) => other.name === state.metric)?.checks || [];
      const verdicts = answer ? answer.verdicts : [], own = verdicts.filter((other) => needs.includes(other.check)), others = verdicts.filter((other) => !needs.includes(other.check));
      const letters = one.choice?.options || [];
      return [el("p", { class: "st-case-head" }, known ? [el("b", {}, found.label), el("span", { class: "st-tag st-state", "data-state": known.state }, said(known.state))] : el("b", {}, found.label), one.topic ? el("span", { class: "st-tag" }, one.topic) : null, one.scenario_id ? el("a", { href: `/trees?scenario=${one.scenario_id}&all=1`, id: "st-tree-link" }, "Open its tree") : null),
        el("h3", {}, "Preference"), el("p", { class: "st-preference st-verbatim" }, one.preference),
        one.shown.length ? el("details", { open: one.shown.length < 3 }, el("summary", {}, `Turns before the query (${one.shown.length})`), one.shown.slice(0, 40).map(([user, assistant]) => [el("div", { class: "st-turn st-turn-user" }, el("span", { class: "st-label" }, "User"), el("p", { class: "st-verbatim" }, user)), el("div", { class: "st-turn" }, el("span", { class: "st-label" }, "Assistant"), el("p", { class: "st-verbatim" }, assistant))])) : null,
        el("h3", {}, "Query"), el("p", { class: "st-query st-verbatim" }, one.query),
        letters.length ? [el("h3", {}, "Options"), el("ol", { class: "st-options" }, letters.map((text, place) => el("li", { class: "st-verbatim" }, el("b", {}, `${String.fromCharCode(65 + place)}. `), text, place === one.choice.right ? el("span", { class: "st-tag" }, "✓ right") : null)))] : null,
        el("h3", {}, found.rows[state.row]?.task === "choice" ? "The reply" : "What was judged"), answer && answer.judged !== null ? el("p", { class: "st-verbatim", id: "st-judged" }, answer.judged) : el("p", { class: "st-warning" }, answer ? answer.why : "It was not asked yet."),
        answer && answer.reply !== answer.judged ? el("details", {}, el("summary", {}, "The whole reply"), el("pre", { class: "st-raw", tabindex: "0", id: "st-reply" }, answer.reply)) : null,
        own.length ? [el("h3", {}, found.rows[state.row]?.task === "choice" ? "Chosen rightly" : "Verdicts that the number needs"), own.map(verdict)] : null,
        others.length ? el("details", {}, el("summary", {}, `${own.length ? "Other verdicts" : "Verdicts"} (${others.length})`), others.map(verdict)) : null];
    };
    fill(box, card("st-which", "Responses behind a number", choice));
    const list = browse(box, { state, keep, address, load, line, show, empty: "No response is in this state." });
    await list.first(state.case);
    return found.name;
  };

  // Two rows on the same cases, of one evaluation or of two: who wins, how far they are apart, both texts with the words that differ, the checks of both.
  Subtext.evalcompare = async (box, id) => {
    const { el, api, fill } = Subtext, { address: at, outcome, check, card, filters, points, between, chance, none } = Subtext.evaluating;
    const ONLY = ["", "win", "lose", "tie", "missing"];
    const state = { first: asked("first"), second: asked("second"), other: asked("other") || id, metric: word("metric", METRICS, "acc_pf"), only: word("only", ONLY, ""), offset: asked("offset") || 0, case: asked("case") };
    const address = (change) => { const next = { ...state, ...change }; return at(id, { ...next, offset: next.offset || "", other: next.other === id ? "" : next.other }); };
    const keep = () => history.replaceState(history.state, "", address({}));
    const choice = el("div"), SAID = { win: "first wins", lose: "second wins", tie: "tie", missing: "not comparable" };
    const others = await api("/api/evaluations");
    let found = null;
    const load = async () => {
      found = await api(`/api/evaluations/${id}/compare?${new URLSearchParams({ first: state.first, second: state.second, other: state.other, metric: state.metric, only: state.only, offset: state.offset })}`);
      found.metrics = found.sides[0].metrics;
      found.items = found.items.map((one) => ({ ...one, case: one.sides[0].case }));
      drawChoice();
      return found;
    };
    const again = Subtext.guarded((change) => { Object.assign(state, change); const known = fitting(found.sides[0], state.first).map(([name]) => name); if (!known.includes(state.metric)) state.metric = known[0]; return list.refilter(); });
    const swap = () => { if (state.other !== id) location.href = at(state.other, { ...state, first: state.second, second: state.first, other: id, offset: "", case: "", only: { win: "lose", lose: "win" }[state.only] || state.only }); else again({ first: state.second, second: state.first, only: { win: "lose", lose: "win" }[state.only] || state.only }); };
    // Another evaluation begins with its first row that does the same task.
    const turnTo = Subtext.guarded(async (other) => { const rows = other === id ? found.sides[0].rows : (await api(`/api/evaluations/${other}`)).rows, task = found.sides[0].rows[state.first].task, row = rows.find((one) => one.task === task && (other !== id || one.place !== state.first)) || rows.find((one) => one.task === task); if (!row) { Subtext.toast("That evaluation has no row of this task."); drawChoice(); return; } await again({ other, second: row.place }); });
    const apart = () => {
      const one = found.difference, lower = found.metrics.find((own) => own.name === state.metric)?.lower;
      if (!one || none(one.value)) return el("p", { class: "st-dim", id: "st-apart" }, "There is no case that counts on both sides.");
      return el("p", { id: "st-apart" }, "First less second: ", el("b", {}, `${points(one.value)} points`), between(one.interval) ? ` [${between(one.interval)}]` : "", `, p ${one.p < 0.001 ? "" : "= "}${chance(one.p)}, paired on ${Subtext.many(one.scenarios, "scenario")}${lower ? "; lower is better" : ""}.`);
    };
    const drawChoice = () => {
      const task = found.sides[0].rows[state.first].task, rows = (side) => found.sides[side].rows.filter((one) => one.task === task).map((one) => [one.place, one.label]);
      const all = Object.values(found.counts).reduce((sum, count) => sum + count, 0), known = others.map((one) => [one.id, one.id === id ? "this one" : `${one.id}: ${short(one.name, 60)}`]);
      fill(choice, el("div", { class: "st-rollout-choice" }, pick("st-first", "First row", rows(0), state.first, (value) => again({ first: Number(value) })), el("button", { class: "st-button", type: "button", id: "st-swap", onclick: swap }, "⇄ Swap"), pick("st-other-evaluation", "Second evaluation", known.some(([value]) => value === state.other) ? known : [...known, [state.other, String(state.other)]], state.other, (value) => turnTo(Number(value))), pick("st-second", "Second row", rows(1), state.second, (value) => again({ second: Number(value) })), pick("st-metric", "By", fitting(found.sides[0], state.first), state.metric, (value) => again({ metric: value }))),
        apart(), found.notes.map((text) => el("p", { class: "st-note" }, text)), found.alone.some((count) => count) ? el("p", { class: "st-dim", id: "st-alone" }, `${Subtext.many(all, "case")} on both sides; ${found.alone[0]} only on the first, ${found.alone[1]} only on the second.`) : null,
        filters("Who wins", ONLY.map((name) => (name ? [name, SAID[name], found.counts[name]] : [name, "all", all])), state.only, (value) => again({ only: value })),
        el("p", { class: "st-dim" }, `${found.metrics.find((one) => one.name === state.metric)?.lower ? "Lower is better: a row wins where the number does not hold. " : ""}Words that only one side has are marked.`));
    };
    const line = (one) => [el("span", { class: "st-row-query" }, el("span", {}, short(one.query, 110)), el("span", { class: "st-tag st-against", "data-against": one.against }, SAID[one.against])), el("span", { class: "st-row-preference" }, short(one.preference))];
    const holds = (share) => (share === null || share === undefined ? "not counted" : share === 1 ? "holds" : share === 0 ? "does not hold" : `holds for ${Math.round(100 * share)} %`);
    const side = (one, place) => {
      const own = one.sides[place], other = one.sides[1 - place], name = place ? "second" : "first", only = place ? "gone" : "new";
      const text = one.diff.filter((piece) => piece.what === "same" || piece.what === only).map((piece) => [el(piece.what === "same" ? "span" : "mark", {}, piece.text), " "]);
      return el("article", { class: "st-compared-side", "data-side": name }, el("h3", {}, `${place ? "Second" : "First"}: `, el("a", { href: at(place ? state.other : id, { row: place ? state.second : state.first, metric: state.metric, case: own.case }) }, found.sides[place].rows[place ? state.second : state.first].label), place && state.other !== id ? el("span", { class: "st-dim" }, ` of ${found.sides[1].name}`) : null),
        el("p", {}, el("b", {}, holds(place ? one.second : one.first)), one.against === (place ? "lose" : "win") ? el("span", { class: "st-tag st-winner" }, "wins") : null),
        own.text ? el("p", { class: "st-verbatim" }, text) : el("p", { class: "st-warning" }, own.why || "There is no text."),
        el("ul", { class: "st-side-checks" }, Object.entries(own.checks).map(([key, value]) => el("li", { class: value === other.checks[key] ? null : "st-differs" }, el("span", {}, `${check(key)} `), outcome(value), value === other.checks[key] ? null : el("span", { class: "st-dim" }, " differs")))));
    };
    const show = async (number, known) => {
      const one = known || found.items[0];
      return [el("h3", {}, "Preference"), el("p", { class: "st-preference st-verbatim" }, one.preference), el("h3", {}, "Query"), el("p", { class: "st-query st-verbatim" }, one.query), el("div", { class: "st-compared-sides" }, side(one, 0), side(one, 1))];
    };
    fill(box, card("st-which", "Two rows on the same cases", choice));
    const list = browse(box, { state, keep, address, load, line, show, empty: "No case is in this state." });
    await list.first(state.case);
    return found.name;
  };
})();
