// Judges against people: the queues of an evaluation, agreement by check, the people's mean of every number, and the answers behind both.
Subtext.evalpeople = async (box, id) => {
  const { el, api, fill, guarded, many } = Subtext;
  const { none, percent, share, points, number, chance, between, when, check, address, scroll, card, outcome } = Subtext.evaluating;
  const query = new URLSearchParams(location.search), here = `/api/evaluations/${id}/people`;
  const at = (change) => address(id, { view: "people", ...change });
  const row = (found, place) => found.rows[place]?.label || `row ${place + 1}`;
  const BECAME = { yes_yes: "both yes", yes_no: "judge yes, people no", no_yes: "judge no, people yes", no_no: "both no", judge_cannot: "the judge cannot determine", people_cannot: "people cannot determine", neither: "neither, or the judge has no answer" };

  // The answers behind a number.
  const items = async () => {
    const metric = query.get("metric"), of = query.get("row"), judge = query.get("judge") || "-1", name = query.get("check") || "", became = query.get("became") || "", offset = Number(query.get("offset")) || 0;
    const wanted = metric ? `${here}/labels?${new URLSearchParams({ row: of, metric, offset })}` : `${here}/items?${new URLSearchParams({ judge, check: name, became, offset })}`;
    const found = await api(wanted), same = metric ? { row: of, metric } : { judge, check: name, became };
    const go = (change) => location.assign(at({ of: "answers", ...same, ...change }));
    const pick = (key, text, options, value) => { const select = el("select", { id: `st-people-${key}`, onchange: () => go({ [key]: select.value }) }, options.map(([option, word]) => el("option", { value: option, selected: option === value }, word))); return el("label", {}, text, select); };
    const said = (one) => [el("ul", { class: "st-side-checks" }, one.judges.map((own) => el("li", {}, el("b", {}, `${found.judges[own.judge]} · judge `), outcome(own.outcome), el("span", { class: "st-dim" }, ` ${own.explanation || own.why}`))), one.people.map((own) => el("li", {}, el("b", {}, `${own.who} · person `), outcome(own.answer), el("span", { class: "st-dim" }, ` ${when(own.at)}`))))];
    fill(box, card("st-people-items", metric ? `Answered by people: ${found.label}, ${row(found, Number(of))}` : "What people said beside the judge",
      metric ? null : el("div", { class: "st-rollout-choice" }, pick("judge", "Judge", [["-1", found.judges.length > 1 ? "all, by majority" : found.judges[0] || "the judge"], ...(found.judges.length > 1 ? found.judges.map((text, place) => [String(place), text]) : [])], judge), pick("check", "Check", [["", "all"], ...found.checks.map((key) => [key, check(key)])], name), pick("became", "Which", [["", "all"], ...Object.entries(BECAME).map(([key, text]) => [key, `${text}${key in found.counts ? ` (${found.counts[key]})` : ""}`])], became)),
      el("p", { class: "st-dim", id: "st-people-shown" }, found.total ? `${found.offset + 1} to ${Math.min(found.total, found.offset + found.items.length)} of ${many(found.total, "answer")}` : "No answer is like this."),
      el("ol", { class: "st-people-list" }, found.items.map((one) => el("li", { class: "st-part", "data-became": one.kind }, el("h3", {}, check(one.check), " · ", el("a", { href: address(id, { row: one.row, metric: one.metric, case: one.case }) }, one.label)), el("p", {}, el("span", { class: "st-tag" }, BECAME[one.kind])), said(one),
        el("details", {}, el("summary", {}, "The texts"), el("p", { class: "st-preference st-verbatim" }, one.preference), el("p", { class: "st-query st-verbatim" }, one.query), el("p", { class: "st-verbatim" }, one.judged))))),
      el("div", { class: "st-actions" }, offset ? el("a", { class: "st-button", href: at({ of: "answers", ...same, offset: Math.max(0, offset - 50) }) }, "← Before") : null, found.offset + found.items.length < found.total ? el("a", { class: "st-button", href: at({ of: "answers", ...same, offset: offset + 50 }) }, "After →") : null, el("a", { class: "st-button", href: at({}) }, "Judges and people"))));
    return found.name;
  };

  const own = { kind: "verdicts", size: 300, seed: 1, each: 1, metric: "acc_pf" }; // kept when the page is drawn again
  // Queues: draw one, see how far they are, files out and in.
  const queues = (found, again) => {
    const input = (key, text, low, high, hint) => el("label", { class: "st-setting" }, el("span", {}, text), el("input", { id: `st-draw-${key}`, type: "number", min: low, max: high, value: own[key], onchange: (event) => { own[key] = Math.max(low, Math.min(high, Math.round(Number(event.target.value) || low))); event.target.value = own[key]; } }), el("span", { class: "st-dim" }, hint));
    const metric = el("select", { id: "st-draw-metric", onchange: () => { own.metric = metric.value; } }, found.metrics.filter((one) => one.name !== "acc_mc").map((one) => el("option", { value: one.name }, one.label)));
    metric.value = own.metric;
    const which = el("label", { class: "st-setting", hidden: own.kind === "verdicts" }, el("span", {}, "Number"), metric, el("span", { class: "st-dim" }, "Every check that it needs is asked about each drawn response."));
    const kind = el("select", { id: "st-draw-kind", onchange: () => { own.kind = kind.value; which.hidden = own.kind === "verdicts"; } }, el("option", { value: "verdicts" }, "single verdicts"), el("option", { value: "responses" }, "responses of every row"));
    kind.value = own.kind;
    const draw = guarded(async () => { const made = await api(here, own); await again(); Subtext.toast(`${made.title}.`); });
    const file = el("input", { id: "st-people-file", type: "file", accept: ".jsonl", class: "st-hidden-input", "aria-label": "File with answers", tabindex: -1, onchange: guarded(async () => {
      if (!file.files.length) return;
      const reply = await fetch(`${here}/import`, { method: "POST", body: file.files[0] }), data = await reply.json().catch(() => ({}));
      file.value = "";
      if (!reply.ok) throw new Error(data.error || `The server answered ${reply.status}.`);
      await again();
      Subtext.toast(data.sentence);
    }) });
    const line = (one) => el("tr", { "data-queue": one.id }, el("th", { scope: "row" }, el("a", { href: `/verdicts?queue=${one.id}` }, one.title)), el("td", { class: "st-number" }, `${one.done.toLocaleString("en")} of ${one.tasks.toLocaleString("en")}`, one.each > 1 ? el("span", { class: "st-dim st-interval" }, many(one.answered, "answer")) : null), el("td", { class: "st-number" }, one.each), el("td", { class: "st-number" }, one.seed), el("td", {}, `${one.who}, ${when(one.created_at)}`),
      el("td", {}, el("button", { class: "st-button st-quiet", type: "button", "aria-label": `${one.closed_at ? "Open" : "Close"} queue ${one.id}`, onclick: guarded(async () => { await api(`${here}/queues/${one.id}`, { closed: !one.closed_at }); await again(); }) }, one.closed_at ? "Open again" : "Close")));
    return card("st-people-queues", "Check with people", el("p", { class: "st-dim" }, "People answer the judge's question without knowing who wrote the response or what the judge said. Single verdicts are spread evenly over the checks and say how far judge and people agree. Responses with every check of a number are the better base for the people's mean of that number."),
      found.queues.length ? scroll("Queues", el("table", { class: "st-table" }, el("thead", {}, el("tr", {}, ["Queue", "Answered", "People each", "Seed", "Drawn by", ""].map((text, place) => (text ? el("th", { scope: "col", class: place > 0 && place < 4 ? "st-number" : null }, text) : el("td", {}))))), el("tbody", {}, found.queues.map(line)))) : null,
      el("div", { class: "st-parameters" }, el("label", { class: "st-setting" }, el("span", {}, "Ask about"), kind, el("span", { class: "st-dim" }, "What is drawn by chance.")), which, input("size", "How many", 1, 20000, "Verdicts in all, or responses of each row. The paper has 300 verdicts."), input("each", "People for each", 1, 20, "Of several the majority counts."), input("seed", "Seed", 0, 2147483647, "The same seed draws the same.")),
      el("div", { class: "st-actions" }, el("button", { class: "st-button st-primary", type: "button", id: "st-draw", disabled: !found.judges.length, onclick: draw }, "Draw a queue"), el("a", { class: "st-button", href: `${here}/export`, download: "", id: "st-people-export", hidden: !found.queues.length }, "Export the answers"), file, el("button", { class: "st-button", type: "button", id: "st-people-import", onclick: () => file.click() }, "Import answers")),
      found.people.length ? el("p", { class: "st-dim", id: "st-people-who" }, `${found.people.map((one) => `${one.name}: ${one.answers.toLocaleString("en")}`).join(", ")}.${found.changed ? ` ${many(found.changed, "answer")} to texts that changed since ${found.changed === 1 ? "is" : "are"} left out.` : ""}`) : el("p", { class: "st-dim" }, "Nobody has answered yet."));
  };

  const agreement = (found) => found.against.map((by) => {
    const link = (one, became, ...content) => el("a", { class: "st-cell", href: at({ of: "answers", judge: by.judge, check: one.check || "", became }) }, ...content);
    const cell = (...content) => el("td", { class: "st-number" }, ...content), interval = (text) => el("span", { class: "st-dim st-interval" }, text);
    const kappa = ({ low, high }) => (none(low) ? "" : `${number(low, 2)} to ${number(high, 2)}`);
    return [found.against.length > 1 ? el("h3", {}, by.name) : null, scroll(`Agreement of ${by.name} with people`, el("table", { class: "st-table", "data-judge": by.judge }, el("caption", { class: found.against.length > 1 ? "st-only-readers" : null }, `${by.name} against people`),
      el("thead", {}, el("tr", {}, ["Check", "Both", "Agree, %", "Kappa", "Bias, points", "p, Holm", "Both yes", "Judge only", "People only", "Both no", "Judge cannot", "People cannot"].map((text, place) => el("th", { scope: "col", class: place ? "st-number" : null }, text)))),
      el("tbody", {}, by.checks.map((one) => el("tr", { "data-check": one.check || "all" }, el("th", { scope: "row" }, one.check ? check(one.check) : "all together", one.caution ? el("span", { class: "st-dim st-interval st-wrapped" }, one.caution) : null), cell(link(one, "", one.both)), cell(link(one, "", share(one.agree)), interval(between(one.agree_drawn))), cell(link(one, "", number(one.kappa, 2)), interval(kappa(one.kappa_drawn))), cell(link(one, "", points(one.bias)), interval(between(one.bias_drawn))), cell(chance(one.p_holm)),
        ["yes_yes", "yes_no", "no_yes", "no_no", "judge_cannot", "people_cannot"].map((kind) => cell(link(one, kind, one[kind]))))))))];
  });
  const estimates = (found) => found.estimates.length ? card("st-people-means", "The people's mean of every number", el("p", { class: "st-dim" }, "What people would say of all responses that they can decide: few of their answers, corrected by how the judge's verdicts on the responses they were asked about differ from those on the rest (prediction-powered, PPI++). The interval holds for the people's mean also where the judge is biased, as long as the queue was drawn by chance and nobody picks the easy questions. Responses that people cannot determine, or on which they are tied, are counted and are in no mean by people; the judge's own mean is of all. Worth: as many answers of people alone would give the same interval."),
    scroll("Table of people's means", el("table", { class: "st-table" }, el("thead", {}, el("tr", {}, ["Row", "Number", "Judge alone, %", "People alone, %", "Both, %", "Answers", "Worth", "Judge is trusted"].map((text, place) => el("th", { scope: "col", class: place > 1 ? "st-number" : null }, text)))),
      el("tbody", {}, found.estimates.map((one) => { const { people, tuned, judge } = one.found, cell = (...content) => el("td", { class: "st-number" }, ...content), interval = (text) => el("span", { class: "st-dim st-interval" }, text), open = (text) => el("a", { class: "st-cell", href: at({ of: "answers", row: one.row, metric: one.metric }) }, text);
        return el("tr", { "data-estimate": `${one.row}/${one.metric}` }, el("th", { scope: "row" }, row(found, one.row)), el("td", {}, found.metrics.find((own) => own.name === one.metric).label, one.caution ? el("span", { class: "st-dim st-interval st-wrapped" }, one.caution) : null),
          cell(el("a", { class: "st-cell", href: address(id, { row: one.row, metric: one.metric }) }, share(judge)), interval(between(one.judge.interval))), cell(open(share(people.value)), interval(between(people.interval))), cell(open(share(tuned.value)), interval(between(tuned.interval))), cell(open(tuned.n)), cell(none(tuned.effective) ? "–" : tuned.effective.toFixed(1)), cell(percent(100 * tuned.trust, 0), " %")); }))))) : null;
  const report = async () => {
    const found = await api(here);
    fill(box, queues(found, report), found.against.length ? card("st-people-agreement", "Judge and people", el("p", { class: "st-dim" }, "On responses to which both say yes or no. A positive bias means that the judge says yes more often than people. Intervals draw whole scenarios again; p tests the bias by flipping the signs of whole scenarios' differences, corrected over the checks (none for all together). The paper reports 96 % agreement on 300 verdicts."), agreement(found)) : null, estimates(found));
    return found.name;
  };
  return query.get("of") === "answers" ? items() : report();
};
