// The study planner: a pilot or shares of disagreement, and what a next comparison can find; power by size as a picture.
Subtext.planner = async (box, id) => {
  const { el, api, fill } = Subtext, { none, percent, points, card, scroll } = Subtext.evaluating;
  const query = new URLSearchParams(location.search), known = await api("/api/plan");
  const value = (name, otherwise) => { const found = query.get(name); return found === null || found === "" || !Number.isFinite(Number(found)) ? otherwise : Number(found); };
  const evaluation = () => known.evaluations.find((one) => one.id === state.evaluation);
  const state = { evaluation: known.evaluations.some((one) => one.id === id) ? id : null, first: value("first", 1), second: value("second", 0), metric: known.metrics.some((one) => one.name === query.get("metric")) ? query.get("metric") : "acc_pf", first_only: value("first_only", 0.2), second_only: value("second_only", 0.1), effect: value("effect", null), power: value("power", 0.8), scenarios: value("scenarios", 100), each: value("each", 1), comparisons: value("comparisons", 1) };
  const form = el("div"), told = el("div", { id: "st-plan-told", "aria-live": "polite" });
  let turn = 0;
  const settings = () => { const names = state.evaluation === null ? ["first_only", "second_only", "effect", "power", "scenarios", "comparisons"] : ["first", "second", "metric", "effect", "power", "scenarios", "each", "comparisons"]; return new URLSearchParams(names.filter((name) => state[name] !== null).map((name) => [name, String(state[name])])); };
  const command = () => `subtext evaluations plan ${state.evaluation === null ? `--disagree ${state.first_only} ${state.second_only}` : `${state.evaluation} --first ${state.first + 1} --second ${state.second + 1} --metric ${state.metric}`}${state.effect === null ? "" : ` --effect ${state.effect}`} --power ${state.power} --scenarios ${state.scenarios}${state.evaluation === null ? "" : ` --each ${state.each}`} --comparisons ${state.comparisons}`;
  const look = async () => {
    const mine = ++turn, asked = settings();
    history.replaceState(history.state, "", `/evaluate?${new URLSearchParams([["plan", state.evaluation ?? ""], ...asked])}`);
    try {
      const found = await api(`/api/plan/${state.evaluation ?? "shares"}?${asked}`);
      if (mine === turn) draw(found);
    } catch (error) { if (mine === turn) fill(told, el("p", { class: "st-warning", role: "alert" }, error.message)); }
  };

  const picture = (found) => {
    const width = 640, height = 300, left = 46, right = 14, top = 12, bottom = 42, curve = found.outlook.curve, end = curve.at(-1).scenarios, least = found.outlook.needed, chosen = found.outlook.chosen;
    const x = (size) => left + (size / end) * (width - left - right), y = (share) => top + (1 - share) * (height - top - bottom);
    const spoken = (one) => `${one.scenarios.toLocaleString("en")} scenarios: power ${percent(100 * one.power, 0)} %, interval of ± ${percent(100 * one.half)} points`;
    const mark = (one, name) => (one && one.scenarios <= end ? el("svg:g", { class: "st-series-1", "data-mark": name }, el("svg:line", { class: "st-limit", x1: x(one.scenarios), x2: x(one.scenarios), y1: y(0), y2: y(one.power) }), el("svg:circle", { class: "st-dot", cx: x(one.scenarios).toFixed(1), cy: y(one.power).toFixed(1), r: 5 }, el("svg:title", {}, spoken(one)))) : null);
    return el("figure", { class: "st-figure", id: "st-plan-curve" }, el("figcaption", {}, el("b", {}, "Power by number of scenarios."), ` The chance to find a true difference of ${percent(100 * found.wanted.effect)} points.`),
      el("svg:svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Power from ${spoken(curve[0])}, to ${spoken(curve.at(-1))}; the table below has the numbers` },
        [0, 0.25, 0.5, 0.75, 1].map((part) => [el("svg:line", { class: "st-grid", x1: left, x2: width - right, y1: y(part), y2: y(part) }), el("svg:text", { class: "st-tick", x: left - 6, y: y(part) + 4, "text-anchor": "end" }, Math.round(100 * part)), el("svg:text", { class: "st-tick", x: x(part * end), y: y(0) + 16, "text-anchor": part === 1 ? "end" : "middle" }, Math.round(part * end).toLocaleString("en"))]),
        el("svg:line", { class: "st-limit", x1: left, x2: width - right, y1: y(found.wanted.power), y2: y(found.wanted.power) }),
        el("svg:text", { class: "st-tick", x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, "scenarios"), el("svg:text", { class: "st-tick", x: 0, y: 0, "text-anchor": "middle", transform: `translate(12 ${y(0.5)}) rotate(-90)` }, "power, %"),
        el("svg:g", { class: "st-series-0" }, el("svg:polyline", { class: "st-radar-line", points: curve.map((one) => `${x(one.scenarios).toFixed(1)},${y(one.power).toFixed(1)}`).join(" ") })), mark(chosen, "chosen"), mark(least, "needed")),
      el("details", {}, el("summary", {}, "Numbers of the curve"), scroll("Numbers of the curve", el("table", { class: "st-table" }, el("thead", {}, el("tr", {}, ["Scenarios", "Power, %", "Interval, ± points", "Answers of both rows"].map((text) => el("th", { scope: "col", class: "st-number" }, text)))), el("tbody", {}, curve.map((one) => el("tr", {}, [one.scenarios.toLocaleString("en"), percent(100 * one.power), percent(100 * one.half), one.responses.toLocaleString("en")].map((text) => el("td", { class: "st-number" }, text)))))))));
  };
  const draw = (found) => {
    const { needed, chosen, detectable, assumed } = found.outlook, aim = `${percent(100 * found.wanted.effect)} points`, power = `${percent(100 * found.wanted.power, 0)} %`;
    fill(told, card("st-plan", "What it takes", found.difference === null ? null : el("p", { class: "st-dim", id: "st-plan-pilot" }, `In the pilot ${found.labels[0]} less ${found.labels[1]} is ${points(found.difference)} points on ${found.components.scenarios} scenarios. Plan for the difference that matters to you: the pilot's own is uncertain.`),
      el("p", { id: "st-plan-needed" }, needed ? [el("b", {}, `${needed.scenarios.toLocaleString("en")} scenarios`), ` find a true difference of ${aim} with power ${power} or more: ${needed.responses.toLocaleString("en")} answers of both rows.`] : el("b", {}, `More than a million scenarios would be needed to find ${aim} with power ${power}.`)),
      el("p", { id: "st-plan-chosen" }, el("b", {}, `With ${chosen.scenarios.toLocaleString("en")} scenarios`), ` the power is ${percent(100 * chosen.power, 1)} %, the 95 % interval ± ${percent(100 * chosen.half)} points, and `, none(detectable) || detectable > 1 ? `no difference is found with power ${power}.` : `differences from ${percent(100 * detectable)} points on are found with power ${power}.`),
      picture(found), el("h3", {}, "What is assumed"), el("ul", { class: "st-bullets", id: "st-plan-assumed" }, assumed.map((text) => el("li", {}, text))), el("h3", {}, "The same as a command"), el("p", { class: "st-verbatim", id: "st-plan-command" }, command())));
  };

  const number = (name, text, hint, [low, high, step], times = 1) => el("label", { class: "st-setting" }, el("span", {}, text), el("input", { id: `st-plan-${name}`, type: "number", min: low, max: high, step, value: state[name] === null ? "" : Number((times * state[name]).toPrecision(8)), placeholder: name === "effect" ? (state.evaluation === null ? "that of the shares" : "10") : null, onchange: (event) => { const typed = event.target.value === "" ? null : Number(event.target.value); state[name] = typed === null ? (name === "effect" ? null : state[name]) : Number((Math.max(low, Math.min(high, typed)) / times).toPrecision(8)); if (typed !== null) event.target.value = Number((times * state[name]).toPrecision(8)); look(); } }), el("span", { class: "st-dim" }, hint));
  const select = (name, text, options, hint) => { const made = el("select", { id: `st-plan-${name}`, onchange: () => { state[name] = name === "metric" ? made.value : made.value === "" ? null : Number(made.value); if (name === "evaluation") { [state.first, state.second] = [1, 0]; drawForm(); document.getElementById("st-plan-evaluation").focus(); } look(); } }, options.map(([option, word]) => el("option", { value: option }, word))); made.value = state[name] === null ? "" : String(state[name]); return el("label", { class: "st-setting" }, el("span", {}, text), made, el("span", { class: "st-dim" }, hint)); };
  const drawForm = () => {
    const rows = evaluation()?.rows.map((one) => [String(one.place), one.label]) || [];
    fill(form, card("st-plan-form", "What is planned", el("p", { class: "st-dim" }, "A comparison of two rows on the same scenarios. How many scenarios it takes depends on how much the rows differ from one scenario to the next: a stored evaluation knows that, or you say it."),
      el("div", { class: "st-parameters" }, select("evaluation", "Pilot", [["", "none: shares by hand"], ...known.evaluations.map((one) => [String(one.id), one.name])], "A stored evaluation with two rows or more."),
        state.evaluation === null ? [number("first_only", "Only the first holds, %", "Of the scenarios, by what you expect.", [0, 100, 0.1], 100), number("second_only", "Only the second holds, %", "The rest are alike for both.", [0, 100, 0.1], 100)] : [select("first", "First row", rows, "Less the second."), select("second", "Second row", rows, "What it is compared with."), select("metric", "Number", known.metrics.map((one) => [one.name, one.label]), "What is compared.")],
        number("effect", "Difference to find, points", "The smallest that matters to you.", [0.1, 100, 0.1], 100), number("power", "Power, %", "The chance to find it where it is true.", [6, 99.9, 0.1], 100), number("scenarios", "Scenarios", "A size to look at.", [2, 1000000, 1]), state.evaluation === null ? null : number("each", "Answers to each scenario", "Of each row; more even out chance within a scenario.", [1, 100, 1]), number("comparisons", "Comparisons", "So many differences are corrected together, by Holm.", [1, 1000, 1]))));
  };
  fill(box, form, told);
  drawForm();
  if (id !== null && state.evaluation === null) fill(told, el("p", { class: "st-warning", role: "alert" }, `Evaluation ${id} is not here or has one row only; a pilot has two.`)); else await look();
  return "Study planner";
};
