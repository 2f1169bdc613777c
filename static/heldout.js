// The held-out report of a critic beside its base: numbers with their meaning, calibration, every step as a point that opens it.
Subtext.heldout = ({ base, trained, changes }) => {
  const { el, many } = Subtext;
  const num = (value) => (value === null || value === undefined ? "–" : value.toFixed(2).replace("-", "−"));
  const percent = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %`);
  const SIDES = [["base", "Base", base], ["trained", "Trained", trained]];
  const MEASURES = [
    ["unscored", "Unscored", percent, "Steps without a score that could be read. They are left out of the other numbers, never counted as 0."],
    ["spearman", "Spearman", num, "Does it rank steps as the data does? 1 is the same order, 0 no relation, −1 the reverse."],
    ["mae", "Mean error", num, "How far its score lies from the data's on average; scores run from −1 to 1."],
    ["band", "Same band", percent, "Scored steps that it puts into the same band of the rubric as the data."],
  ];
  const scroll = (label, ...content) => el("div", { class: "st-scroll", tabindex: "0", role: "region", "aria-label": label }, ...content);

  const VERDICTS = { better: ["st-better", "better"], worse: ["st-bad-text", "worse"], chance: ["st-dim", "within chance"], "": ["st-dim", ""] };
  const change = ({ difference, verdict }, show) => {
    if (difference === null) return "–";
    const [mark, word] = VERDICTS[verdict], size = show(Math.abs(difference)).replace("%", "points");
    return [/[1-9]/.test(size) ? `${difference > 0 ? "+" : "−"}${size} ` : "the same ", el("span", { class: mark }, word)];
  };
  const scored = Math.round(trained.all.steps * (1 - (trained.all.unscored || 0)));
  const summary = () => el("div", {},
    el("p", { class: "st-dim" }, `${many(trained.all.steps, "step")} of scenarios that were kept out of the training, scored by both critics and compared with the data. `,
      scored > 3 ? `With ${many(scored, "scored step")} a Spearman is off by about ±${(1.96 / Math.sqrt(scored - 1)).toFixed(2)} by chance alone, and by more where many steps share a scenario; a change of that kind is called neither better nor worse.` : null),
    el("table", { class: "st-table st-heldout" }, el("caption", { class: "st-only-readers" }, "Base and trained critic on held-out steps"),
      el("thead", {}, el("tr", {}, ["", "Base", "Trained", "Change"].map((text) => (text ? el("th", { scope: "col" }, text) : el("td", {}))))),
      el("tbody", {}, MEASURES.map(([key, label, show, meaning]) => el("tr", { "data-measure": key }, el("th", { scope: "row" }, label, el("span", { class: "st-dim" }, meaning)),
        el("td", { class: "st-number" }, show(base.all[key])), el("td", { class: "st-number" }, el("b", {}, show(trained.all[key]))), el("td", { class: "st-number" }, change(changes[key], show)))))));

  // Both pictures share their axes: the critic's score to the right, the data's upwards; on the diagonal they agree.
  const size = 300, left = 34, bottom = 34, top = 8, inner = size - left - 10;
  const x = (value) => left + ((value + 1) / 2) * inner, y = (value) => top + ((1 - value) / 2) * inner;
  const TICKS = [-1, -0.5, 0, 0.5, 1];
  const frame = () => [
    TICKS.map((value) => [el("svg:line", { class: "st-grid", x1: x(value), x2: x(value), y1: y(1), y2: y(-1) }), el("svg:line", { class: "st-grid", x1: x(-1), x2: x(1), y1: y(value), y2: y(value) }),
      el("svg:text", { class: "st-tick", x: x(value), y: y(-1) + 15, "text-anchor": "middle" }, num(value).replace(/\.?0+$/, "") || "0"), el("svg:text", { class: "st-tick", x: left - 5, y: y(value) + 4, "text-anchor": "end" }, num(value).replace(/\.?0+$/, "") || "0")]),
    el("svg:line", { class: "st-diagonal", x1: x(-1), y1: y(-1), x2: x(1), y2: y(1) }),
    el("svg:text", { class: "st-tick", x: x(0), y: size - 3, "text-anchor": "middle" }, "what the critic says"),
    el("svg:text", { class: "st-tick", x: 0, y: 0, "text-anchor": "middle", transform: `translate(9 ${y(0)}) rotate(-90)` }, "what the data says"),
  ];
  const figure = (title, text, svg, ...more) => el("figure", { class: "st-figure st-square" }, el("figcaption", {}, el("b", {}, title), ` ${text}`), svg, ...more);
  const height = top + inner + bottom + 4;

  const calibration = () => {
    const drawn = SIDES.map(([side, label, own]) => {
      const held = own.bins.filter((bin) => bin.steps), most = Math.max(1, ...held.map((bin) => bin.steps));
      return el("svg:g", { class: `st-${side}` }, el("svg:polyline", { class: "st-calibrated", points: held.map((bin) => `${x(bin.said).toFixed(1)},${y(bin.stated).toFixed(1)}`).join(" ") }),
        held.map((bin) => el("svg:circle", { class: "st-spot", cx: x(bin.said).toFixed(1), cy: y(bin.stated).toFixed(1), r: (2.5 + 5 * Math.sqrt(bin.steps / most)).toFixed(1) },
          el("svg:title", {}, `${label}, scores from ${num(bin.low)} to ${num(bin.low + 0.2)}: ${many(bin.steps, "step")}, says ${num(bin.said)}, data ${num(bin.stated)}`))));
    });
    const rows = trained.bins.map((bin, place) => [bin, base.bins[place]]).filter(([own, was]) => own.steps || (was && was.steps));
    return figure("Calibration.", "Steps in bins of the critic's score: its mean against the data's. On the diagonal a score means what it says.",
      el("svg:svg", { viewBox: `0 0 ${size} ${height}`, role: "img", "aria-label": "Calibration of base and trained critic; the table below has the numbers" }, frame(), drawn),
      el("p", {}, SIDES.map(([side, label]) => el("span", { class: `st-key st-${side}` }, el("i", {}), label)), el("span", { class: "st-dim" }, "Larger: more steps.")),
      el("details", {}, el("summary", {}, "Numbers by bin"), scroll("Calibration by bin", el("table", { class: "st-table" },
        el("thead", {}, el("tr", {}, ["Critic says", "Base: steps", "data", "Trained: steps", "data"].map((text) => el("th", { scope: "col" }, text)))),
        el("tbody", {}, rows.map(([own, was]) => el("tr", {}, el("th", { scope: "row" }, `${num(own.low)} to ${num(own.low + 0.2)}`), [was ? was.steps : 0, num(was && was.stated), own.steps, num(own.stated)].map((cell) => el("td", { class: "st-number" }, cell)))))))));
  };

  const address = (point) => `/trees?scenario=${point.scenario}&node=${encodeURIComponent(point.node)}`;
  const spoken = (point) => `Step ${point.step} of scenario ${point.scenario}${point.persona ? `, ${point.persona}` : ""}: critic ${num(point.said)}, data ${num(point.stated)}`;
  const scatter = ([side, label, own]) => {
    const found = own.points.filter((point) => point.said !== null).sort((a, b) => a.said - b.said || a.stated - b.stated);
    if (!found.length) return null;
    const line = el("p", { class: "st-dim st-spoken" }, "Each point is a step and opens it. ", el("kbd", {}, "←"), " ", el("kbd", {}, "→"), " walk, ", el("kbd", {}, "Enter"), " opens.");
    const tell = (point) => () => { line.textContent = spoken(point); };
    const links = found.map((point, place) => el("svg:a", { href: address(point), tabindex: place ? "-1" : "0", "aria-label": spoken(point), "data-point": `${point.scenario}/${point.node}`, onfocus: tell(point), onmouseenter: tell(point) },
      el("svg:circle", { class: "st-spot", cx: x(point.said).toFixed(1), cy: y(point.stated).toFixed(1), r: 4 })));
    const walk = (event) => {
      const at = links.indexOf(event.target.closest("a")), step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (at < 0 || !step) return;
      event.preventDefault();
      const next = links[Math.max(0, Math.min(links.length - 1, at + step))];
      links[at].setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    };
    return figure(`${label}, step by step.`, own.points_in_all > own.points.length ? `${many(own.points.length, "step")} of ${own.points_in_all.toLocaleString("en")} are drawn.` : `${many(found.length, "scored step")}.`,
      el("svg:svg", { viewBox: `0 0 ${size} ${height}`, role: "group", "aria-label": `${label} critic against the data, a point for each step`, class: `st-${side}`, "data-scatter": side, onkeydown: walk }, frame(), links), line);
  };

  const furthest = () => {
    const off = trained.points.filter((point) => point.said !== null).map((point) => ({ ...point, off: Math.abs(point.said - point.stated) })).sort((a, b) => b.off - a.off).slice(0, 10);
    const missing = trained.points.filter((point) => point.said === null).slice(0, 20);
    const item = (point, tail) => el("li", {}, el("a", { href: address(point) }, `Step ${point.step} of scenario ${point.scenario}`), el("span", { class: "st-dim" }, `${point.persona ? ` ${point.persona} ·` : ""} ${tail}`));
    return [
      off.length ? el("div", {}, el("h3", {}, "Furthest from the data"), el("ul", { class: "st-steps" }, off.map((point) => item(point, `critic ${num(point.said)}, data ${num(point.stated)}`)))) : null,
      missing.length ? el("div", {}, el("h3", {}, "Unscored steps"), el("ul", { class: "st-steps" }, missing.map((point) => item(point, point.why)))) : null,
    ];
  };

  const groups = (title, label, key, name) => {
    const keys = Object.keys(trained[key]).concat(Object.keys(base[key]).filter((one) => !(one in trained[key])));
    const cell = (own, measure, show) => el("td", { class: "st-number" }, show(own && own[measure]));
    const pair = (one, measure, show) => [cell(base[key][one], measure, show), cell(trained[key][one], measure, show)];
    return keys.length ? el("div", {}, el("h3", {}, title), scroll(title, el("table", { class: "st-table st-groups", "data-groups": key },
      el("thead", {}, el("tr", {}, [label, "Steps"].map((text) => el("th", { scope: "col", rowspan: 2, class: text === "Steps" ? "st-number" : null }, text)), MEASURES.map(([, text]) => el("th", { scope: "colgroup", colspan: 2, class: "st-number" }, text))),
        el("tr", {}, MEASURES.map(([, text]) => ["base", "trained"].map((side) => el("th", { scope: "col", class: "st-number", "aria-label": `${text}, ${side}` }, side))))),
      el("tbody", {}, keys.map((one) => el("tr", {}, el("th", { scope: "row" }, name(one)), el("td", { class: "st-number" }, (trained[key][one] || base[key][one]).steps.toLocaleString("en")), MEASURES.map(([measure, , show]) => pair(one, measure, show))))))))
      : null;
  };
  const reasons = () => {
    const held = SIDES.filter(([, , own]) => own.reasons.length);
    return held.length ? el("div", {}, el("h3", {}, "Why steps are unscored"), held.map(([, label, own]) => el("details", { open: own === trained }, el("summary", {}, `${label}: ${many(own.reasons.reduce((sum, [, count]) => sum + count, 0), "step")}`),
      el("ul", { class: "st-steps" }, own.reasons.map(([why, count]) => el("li", {}, el("b", {}, `${count.toLocaleString("en")} × `), why)), own.reasons_left ? el("li", { class: "st-dim" }, `and ${many(own.reasons_left, "other reason")}`) : null)))) : null;
  };

  return [summary(), el("div", { class: "st-squares" }, calibration(), [SIDES[1], SIDES[0]].map(scatter)), el("div", { class: "st-pairs" }, furthest()),
    groups("By place in the path", "Step", "by_step", (one) => `step ${one}`), groups("By persona", "Persona", "by_persona", (one) => one), reasons()];
};
