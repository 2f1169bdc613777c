// The preference-use meter: every sentence of an answer by how much it looks at the preference and what its absence would cost it.
// `name` tells the tables of several answers apart.
Subtext.useMeter = (box, use, text, meaning, name = "") => {
  const { el, fill, many } = Subtext, { none, number, share, scroll } = Subtext.evaluating;
  if (!use) { fill(box); return; }
  if (use.reason) { fill(box, el("p", { class: "st-warning" }, use.reason)); return; }
  const MARKS = { uses: "✓ uses", "looks only": "◐ looks only", "uses without looking": "◇ uses without looking", ignores: "– ignores", against: "✕ goes against" };
  const UNCLEAR = "Not clear: its drop lies within its error of the line.";
  // Places count characters, a browser's strings do not.
  const letters = Array.from(text), words = (one) => letters.slice(one.start, one.end).join("").trim();
  const width = 460, height = 300, left = 52, right = 12, top = 12, bottom = 40;
  const all = use.sentences, lifts = all.map((one) => (none(one.lift) ? 0 : one.lift)), drops = all.map((one) => one.drop);
  const ends = { x: Math.max(2, ...lifts) * 1.05, low: Math.min(-0.15, ...drops) * 1.1, high: Math.max(0.2, ...drops) * 1.1 };
  const x = (value) => left + (value / ends.x) * (width - left - right), y = (value) => top + ((ends.high - value) / (ends.high - ends.low)) * (height - top - bottom);
  const corner = (name, right_, up) => el("svg:text", { class: "st-tick", x: right_ ? width - right - 4 : left + 4, y: up ? top + 14 : height - bottom - 6, "text-anchor": right_ ? "end" : "start" }, name);
  // Between the two lines the preference makes no difference.
  const line = (name, right_) => el("svg:text", { class: "st-tick", x: right_ ? width - right - 4 : left + 4, y: y(0) - 4, "text-anchor": right_ ? "end" : "start" }, name);
  const tick = (value) => el("svg:text", { class: "st-tick", x: left - 6, y: y(value) + 4, "text-anchor": "end" }, number(value, 2));
  const spoken = (one, place) => `Sentence ${place + 1}: ${one.quadrant}; lift ${number(one.lift, 2)}, drop ${number(one.drop, 3)} nats a token`;
  const picture = el("svg:svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Sentences by lift (right) and drop (up); the table has the numbers" },
    el("svg:line", { class: "st-limit", x1: x(1), x2: x(1), y1: top, y2: height - bottom }), el("svg:line", { class: "st-limit", x1: left, x2: width - right, y1: y(0.05), y2: y(0.05) }), el("svg:line", { class: "st-limit", x1: left, x2: width - right, y1: y(-0.05), y2: y(-0.05) }),
    el("svg:line", { class: "st-grid", x1: left, x2: width - right, y1: y(0), y2: y(0) }), tick(0), tick(ends.high / 1.1), y(ends.low / 1.1) - y(0) > 14 ? tick(ends.low / 1.1) : null,
    corner("uses without looking", false, true), corner("uses", true, true), line("ignores", false), line("looks only", true), corner("goes against it", false, false),
    el("svg:text", { class: "st-tick", x: x(1), y: height - bottom + 15, "text-anchor": "middle" }, "1"), el("svg:text", { class: "st-tick", x: (left + width) / 2, y: height - 6, "text-anchor": "middle" }, "lift: attention on the preference, times uniform, without sink and template"),
    el("svg:text", { class: "st-tick", x: 0, y: 0, "text-anchor": "middle", transform: `translate(13 ${(top + height - bottom) / 2}) rotate(-90)` }, "drop without it, nats a token"),
    all.map((one, place) => el("svg:g", { class: `st-series-${place % 6}` }, el("svg:circle", { class: "st-spot", cx: x(lifts[place]).toFixed(1), cy: y(one.drop).toFixed(1), r: 5 }, el("svg:title", {}, spoken(one, place))), el("svg:text", { class: "st-tick st-spot-number", x: x(lifts[place]) + 7, y: y(one.drop) - 5 }, place + 1))));
  const row = (one, name, told) => el("tr", { "data-quadrant": one.quadrant }, el("th", { scope: "row" }, name), el("td", { class: "st-verbatim st-sentence", dir: "auto" }, told), el("td", {}, el("span", { class: "st-tag", title: `${meaning[one.quadrant]}${one.clear ? "" : ` ${UNCLEAR}`}`, "data-clear": String(one.clear) }, `${MARKS[one.quadrant]}${one.clear ? "" : "?"}`)), el("td", { class: "st-number" }, number(one.lift, 2)), el("td", { class: "st-number" }, `${share(one.mass)} %`), el("td", { class: "st-number" }, number(one.drop, 3), none(one.error) ? null : el("span", { class: "st-dim st-interval" }, `± ${number(one.error, 3)}`)), el("td", { class: "st-number" }, number(one.drop_other, 3)));
  fill(box, el("figure", { class: "st-figure st-square" }, el("figcaption", {}, el("b", {}, "Preference use."), ` The whole answer ${use.answer.quadrant === "uses" ? "uses the preference" : use.answer.quadrant === "against" ? "goes against the preference" : `counts as “${use.answer.quadrant}”`}. ${meaning[use.answer.quadrant]}${use.answer.clear ? "" : ` ${UNCLEAR}`}`), picture),
    scroll(`Sentences of the answer${name}`, el("table", { class: "st-table st-meter" }, el("thead", {}, el("tr", {}, ["", "Sentence", "Case"].map((name) => (name ? el("th", { scope: "col" }, name) : el("td", {}))), ["Lift without sink", "Mass", "Drop", "Against the reverse"].map((name) => el("th", { scope: "col", class: "st-number" }, name)))),
      el("tbody", {}, row(use.answer, "all", many(use.answer.tokens, "token")), all.map((one, place) => row(one, String(place + 1), words(one)))))),
    el("p", { class: "st-dim" }, "Drop: how much likelier each token is with the preference than without it; ± is its standard error over the tokens. Lines: lift 1, and 0.05 nats for and against. A question mark: the drop lies within 1.96 of its errors of a line, so the case is not clear. Lift: among the messages, without the first token and the template's own."),
    use.reverse ? el("p", { class: "st-dim", dir: "auto" }, "The reverse that it was read with: ", el("q", { class: "st-verbatim" }, use.reverse)) : null);
};
