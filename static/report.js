// The report of a study: curves of AL(k), the table of the paper's layout, differences, agreement, rater cards.
// With `judged` the levels are judges' and not people's, and each cell says how many dialogues stand behind it.
Subtext.studyReport = (data, { paper, leave, open, judged = false }) => {
  const { el, many } = Subtext;
  const num = (value, digits = 2) => (value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−"));
  const small = (p) => (p === null ? "–" : p < 0.001 ? "< 0.001" : num(p, 3));
  const span = ([value, low, high], digits) => [num(value, digits), low === null ? null : el("span", { class: "st-dim" }, ` [${num(low, digits)}, ${num(high, digits)}]`)];
  const table = (head, rows, caption) => el("div", { class: "st-scroll" }, el("table", { class: "st-table" }, el("caption", { class: "st-only-readers" }, caption), el("thead", {}, el("tr", {}, head.map((text) => el("th", {}, text)))), el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell, index) => el("td", { class: index ? "st-number" : null }, cell)))))));

  const curves = () => {
    const width = 640, height = 220, turns = Math.max(2, ...data.figures.map((row) => row.al.length));
    const x = (turn) => 30 + ((turn - 1) / (turns - 1)) * (width - 50), y = (level) => 10 + ((5 - level) / 4) * (height - 40);
    const grid = [1, 2, 3, 4, 5].map((level) => [el("svg:line", { class: "st-limit", x1: 30, x2: width - 20, y1: y(level), y2: y(level) }), el("svg:text", { class: "st-tick", x: 8, y: y(level) + 4 }, level)]);
    const ticks = [...Array(turns).keys()].map((turn) => el("svg:text", { class: "st-tick", x: x(turn + 1), y: height - 10, "text-anchor": "middle" }, turn + 1));
    const lines = data.figures.map((row, index) => {
      const points = row.al.map((value, turn) => (value === null ? null : [x(turn + 1), y(value)])).filter(Boolean);
      const bands = row.band.map(([low, high], turn) => (low === null ? null : el("svg:line", { class: `st-band st-series-${index % 6}`, x1: x(turn + 1), x2: x(turn + 1), y1: y(low), y2: y(high) })));
      return [bands, el("svg:polyline", { class: `st-curve st-series-${index % 6}`, points: points.map((point) => point.join(",")).join(" ") }, el("svg:title", {}, row.model))];
    });
    const names = data.figures.map((row, index) => el("span", { class: "st-key" }, el("i", { class: `st-series-${index % 6}` }), row.model));
    return el("figure", { class: "st-figure" }, el("figcaption", {}, "AL(k): mean alignment level at turn k, with 95 % intervals over user profiles."), el("svg:svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Curves of alignment level by turn; the table has the numbers" }, grid, ticks, lines), el("p", {}, names));
  };
  if (!data.ratings) return el("p", { class: "st-dim" }, "There are no ratings yet.");

  const turns = Math.max(...data.figures.map((row) => row.al.length));
  const head = ["Model", ...[...Array(turns).keys()].map((turn) => `k=${turn + 1}`), "Average"];
  const cell = (row, turn, content) => (open && content !== "–" ? el("button", { class: "st-cell", type: "button", title: `The dialogues behind this: ${row.model}${turn ? `, turn ${turn}` : ""}`, onclick: () => open(row.model, turn) }, content) : content);
  const counted = (row, index) => (judged ? el("span", { class: "st-dim st-interval" }, `n ${row.n[index] ?? 0}`) : null);
  const own = data.figures.map((row) => [row.model, ...row.al.map((value, index) => [cell(row, index + 1, num(value)), counted(row, index)]), cell(row, 0, span(row.avg))]);
  const printed = turns === 10 ? Object.entries(paper).map(([model, [levels, average]]) => [el("span", { class: "st-dim" }, judged ? `${model} (paper, rated by people)` : `${model} (paper)`), ...levels.map((value) => num(value, 1)), num(average)]) : [];
  const agreement = data.agreement;
  const others = [...new Set(data.cards.map((card) => card.rater))];
  const choose = (name, label, options, shown = {}) => { const choice = el("select", { "aria-label": label, onchange: () => leave(name, choice.value) }, el("option", { value: "" }, `${label}: nobody`), options.map((value) => el("option", { value, selected: value === data.without[name] }, shown[value] || value))); return choice; };

  const taken = data.imported;
  const dimension = taken && el("select", { "aria-label": "Dimension", onchange: () => leave("dimension", dimension.value) }, Object.entries(taken.dimensions).map(([name, count]) => el("option", { value: name, selected: name === taken.dimension }, `${name} (${count})`)));
  return el("div", { class: "st-report" },
    taken ? el("p", {}, "Ratings of the dimension ", Object.keys(taken.dimensions).length > 1 ? dimension : el("b", {}, taken.dimension), ".") : null,
    taken && Object.keys(taken.left_out).length ? el("p", { class: "st-warning" }, "Left out: ", Object.entries(taken.left_out).map(([reason, count]) => `${count} ${reason}`).join("; "), ".") : null,
    data.crossed ? null : el("p", { class: "st-warning", role: "alert" }, "Not every model was rated on every user profile. Differences between such models mislead: in simulated studies two thirds of the differences found this way were none."),
    data.uneven ? el("p", { class: "st-warning" }, `In ${data.uneven} of ${many(Object.keys(data.profiles).length, "user profile")} the models were not all rated ${judged ? "on the same turns by every judge: turns or levels are missing there, and later turns are means over the dialogues that went on." : "by the same people on the same turns (yet): there a difference between models is also one between raters."}`) : null,
    el("div", { class: "st-actions" }, el("span", { class: "st-dim" }, "What if we leave out"), choose("rater", judged ? "a judge" : "a rater", others), choose("profile", "a user profile", Object.keys(data.profiles), data.profiles), choose("model", "a model", data.models)),
    curves(), el("h3", {}, "Alignment level by turn (layout of the paper's table 2)"), table(head, [...own, ...printed], "Alignment level by turn"),
    el("h3", {}, "Improvement over the turns"),
    table(["Model", "IR (slope a turn)", "N-IR", "N-IR of a flat model", "R²", "share of 5s", "dialogues a turn"],
      data.figures.map((row) => [row.model, span(row.ir, 3), span(row.n_ir, 3), row.null_n_ir[0] === null ? "–" : `${num(row.null_n_ir[0], 3)} to ${num(row.null_n_ir[1], 3)}`, num(row.r2), row.fives === undefined ? "–" : `${(100 * row.fives).toFixed(0)} %`, row.n.length ? [...new Set([Math.min(...row.n), Math.max(...row.n)])].join("–") : "–"]), "Improvement rate"),
    el("p", { class: "st-dim" }, "N-IR divides the slope by the range of the curve: even a flat model has one. Only a value outside the band of a flat model says something."),
    el("h3", {}, "Differences, paired by user profile"),
    table(["Pair", "difference of averages", "p", "p (Holm)", "difference of IR", "profiles"], data.differences.map((row) => [`${row.first} − ${row.second}`, span([row.avg, ...row.interval]), small(row.p), small(row.p_holm), span([row.ir, ...row.ir_interval], 3), row.profiles]), "Differences"),
    data.differences.some((row) => row.profiles < 20) ? el("p", { class: "st-dim" }, "Fewer than about 20 user profiles make these intervals too narrow; p comes from flipping the signs of the profiles' differences and stays valid.") : null,
    judged && others.length < 2 ? null : [el("h3", {}, `Agreement between ${judged ? "judges" : "raters"}`), table(["Measure", "level", "unit", "n", "value"], [
      ["Krippendorff's alpha", "ordinal", "turn", agreement.units, agreement.alpha === null ? `undefined: ${agreement.why || "no expected disagreement"}` : span([agreement.alpha, agreement.low, agreement.high])],
      ["ICC(2,1)", "interval", "dialogue mean", agreement.targets, num(agreement.icc_single)], ["ICC(2,k)", "interval", "dialogue mean", agreement.targets, num(agreement.icc_average)],
      ...agreement.kappas.map(([one, two, value, units]) => [`quadratic kappa, ${one} and ${two}`, "interval", "turn", units, num(value)]),
    ], "Agreement"),
    el("p", { class: "st-dim" }, "Single turns look noisy where means of dialogues are reliable: read both lines.")],
    el("h3", {}, judged ? "Judges" : "Raters"),
    judged ? table(["Judge", "levels", "mean", "spread", "bias", "longest run of one level"], data.cards.map((card) => [card.rater, card.ratings, num(card.mean), num(card.spread), num(card.bias), card.longest_run]), "Judges") : table(["Rater", "ratings", "cannot rate", "mean", "spread", "bias", "same again (±1)", "seconds a turn", "longest run", "checks failed"], data.cards.map((card) => [card.rater, card.ratings, card.cannot, num(card.mean), num(card.spread), num(card.bias), card.repeat === null ? "–" : `${(100 * card.repeat).toFixed(0)} %`, num(card.seconds, 1), card.longest_run, card.checks ? `${card.checks_failed} of ${card.checks}` : "–"]), "Raters"),
    el("p", { class: "st-dim" }, `${many(data.ratings, judged ? "level" : "rating")}. `, (data.acts || []).map((act) => `${act.what} ${act.at.slice(0, 16).replace("T", " ")}${act.who ? ` by ${act.who}` : ""}`).join("; ")));
};

// The dialogues behind a cell of the report, lowest first, a page at a time.
Subtext.behind = Subtext.guarded(async (study, model, turn, without) => {
  const { el, api, many, guarded } = Subtext;
  const box = el("div", { class: "st-behind" }), more = el("button", { class: "st-button", type: "button" }, "More");
  let offset = 0;
  const rated = (given) => el("span", { class: "st-tag", title: given.note || null }, `${given.rater} ${given.value || "cannot"}${given.retest ? " (again)" : ""}${given.flagged ? " ⚑" : ""}${given.note ? " ✎" : ""}`);
  const shown = (dialogue) => el("details", { class: "st-set" }, el("summary", {}, el("b", {}, dialogue.mean === null ? "–" : dialogue.mean.toFixed(2)), ` ${dialogue.profile.length > 90 ? `${dialogue.profile.slice(0, 89)}…` : dialogue.profile}`),
    el("p", { class: "st-verbatim" }, dialogue.profile),
    dialogue.turns.map((pair, index) => el("article", { class: `st-exchange ${index + 1 === turn ? "st-current" : ""}` },
      el("p", { class: "st-verbatim" }, el("b", {}, "User: "), pair[0]), el("p", { class: "st-verbatim" }, el("b", {}, `Answer ${index + 1}: `), pair[1]),
      el("p", {}, dialogue.ratings.filter((given) => given.turn === index + 1).map(rated)), dialogue.ratings.filter((given) => given.turn === index + 1 && given.note).map((given) => el("p", { class: "st-verbatim st-dim" }, `${given.rater}: ${given.note}`)))));
  const load = async () => {
    const query = new URLSearchParams({ model, offset, ...(turn ? { turn } : {}), ...(without.rater ? { without_rater: without.rater } : {}), ...(without.profile ? { without_profile: without.profile } : {}) });
    const found = await api(`/api/studies/${study}/behind?${query}`);
    box.append(...found.dialogues.map(shown));
    offset += found.dialogues.length;
    more.hidden = offset >= found.total;
    return found.total;
  };
  more.addEventListener("click", guarded(load));
  const total = await load();
  Subtext.dialog(`${model}${turn ? `, turn ${turn}` : ""}: ${many(total, "dialogue")}, lowest first`, box, more).classList.add("st-wide");
});
