// Figure 6 over many scenarios: attention along the parts of the prompt, one line a model with its interval.
Subtext.attentionCurve = (models, segments, by = "lift") => {
  const { el } = Subtext, { none, number, scroll } = Subtext.evaluating;
  const width = 760, height = 280, left = 46, right = 10, top = 12, bottom = 44, bins = segments.reduce((sum, [, count]) => sum + count, 0);
  // `change`: what differs from the first model, in points of percent; a difference has no first model and no ratio.
  const differing = by === "change", of = (one) => (differing ? one.curve_change : one.curve);
  const known = models.filter((one) => of(one) && of(one).mass);
  if (!known.length) return el("p", { class: "st-dim" }, "There is no curve yet.");
  // The band of a lift is its own: mass and share were drawn together. Reports made before that have none.
  const LIFT = { mass: "lift", low: "lift_low", high: "lift_high" };
  const at = (curve, name, bin) => { const values = curve[by === "lift" ? LIFT[name] : name], found = values ? values[bin] : null; return none(found) ? null : by === "lift" ? found : 100 * found; };
  // The sink is far above everything else: the scale ends at what the other bins reach, and says so.
  const rest = [...Array(bins).keys()].slice(1), seen = (name) => known.flatMap((one) => rest.map((bin) => at(of(one), name, bin)).filter((value) => !none(value)));
  // Times uniform is a ratio: half and twice are as far from 1, so its scale is of powers of two. Percent is a sum, from 0.
  const ratio = by === "lift", FLOOR = 1 / 64, power = (value) => Math.log2(Math.max(FLOOR, value));
  const highs = [...seen("mass"), ...seen("high")], lows = [...seen("mass"), ...seen("low")];
  const end = ratio ? 2 ** Math.ceil(power(Math.max(2, ...highs))) : Math.max(differing ? 0.1 : 1, ...highs), low = ratio ? 2 ** Math.floor(power(Math.min(0.5, ...lows))) : Math.min(differing ? -0.1 : 0, ...lows);
  const place = ratio ? (value) => (power(value) - power(low)) / (power(end) - power(low)) : (value) => (value - low) / (end - low);
  const x = (bin) => left + ((bin + 0.5) / bins) * (width - left - right), y = (value) => top + (1 - place(Math.max(low, Math.min(end, value)))) * (height - top - bottom);
  let start = 0;
  const parts = segments.map(([name, count]) => { const own = { name, from: start, to: start + count }; start += count; return own; });
  const edge = (bin) => left + (bin / bins) * (width - left - right);
  const series = (one) => `st-series-${models.indexOf(one) % 6}`;
  const WORDS = { head: "before", preference: "preference", turns: "between", question: "query", tail: "rest" };
  const line = (one) => {
    // Stretches of bins that have all of these.
    const runs = (...names) => { const found = [[]]; for (let bin = 0; bin < bins; bin += 1) { if (names.some((name) => none(at(of(one), name, bin)))) found.push([]); else found.at(-1).push(bin); } return found.filter((run) => run.length); };
    const points = (run, name) => run.map((bin) => `${x(bin).toFixed(1)},${y(at(of(one), name, bin)).toFixed(1)}`);
    return el("svg:g", { class: series(one), "data-curve": one.name }, runs("low", "high").map((run) => el("svg:polygon", { class: "st-attention-band", points: [...points(run, "low"), ...points(run, "high").reverse()].join(" ") })), runs("mass").map((run) => el("svg:polyline", { class: "st-curve", points: points(run, "mass").join(" ") })));
  };
  const powers = ratio ? [...Array(Math.round(power(end) - power(low)) + 1).keys()].map((step) => low * 2 ** step) : [];
  // Round numbers, about four of them.
  const rough = (end - low) / 4, unit = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 5, 10].map((times) => times * unit).find((one) => one >= rough);
  const rounds = ratio ? [] : [...Array(Math.floor(end / step) - Math.ceil(low / step) + 1).keys()].map((one) => (Math.ceil(low / step) + one) * step);
  const shown = ratio ? powers.filter((value) => Math.round(power(value)) % (powers.length > 7 ? 2 : 1) === 0) : rounds;
  const named = (value) => (ratio ? (value < 1 ? `1/${Math.round(1 / value)}` : number(value, 0)) : `${differing && value > 0 ? "+" : ""}${number(value, Math.max(0, -Math.floor(Math.log10(step))))}`);
  const ticks = shown.map((value) => [el("svg:line", { class: value === (ratio ? 1 : differing ? 0 : NaN) ? "st-limit" : "st-grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }), el("svg:text", { class: "st-tick", x: left - 6, y: y(value) + 4, "text-anchor": "end" }, named(value))]);
  return el("figure", { class: "st-figure", "data-by": by }, el("figcaption", {}, { lift: "Attention by position, times uniform (1: the dotted line; half and twice are as far from it).", mass: "Attention by position, percent of all in each bin.", change: `Attention by position, points of percent more or less than ${models[0].name} (0: the dotted line), over the scenarios that both read.` }[by], " The same place is the same part of the prompt in every scenario; bands are 95 % over scenarios.", known.some((one) => at(of(one), "mass", 0) > end || at(of(one), "mass", 0) < low) ? " The first place, which holds the sink, goes out of the picture." : ""),
    scroll("Curve along the prompt", el("svg:svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Averaged attention by position; the table has the numbers" },
      parts.filter((one) => one.name === "preference").map((one) => el("svg:rect", { class: "st-attention-region", x: edge(one.from), y: top, width: edge(one.to) - edge(one.from), height: height - top - bottom })), ticks,
      parts.map((one) => [el("svg:line", { class: "st-grid", x1: edge(one.from), x2: edge(one.from), y1: top, y2: height - bottom }), el("svg:text", { class: "st-tick", x: (edge(one.from) + edge(one.to)) / 2, y: height - bottom + 17, "text-anchor": "middle" }, WORDS[one.name] || one.name)]),
      known.map(line))),
    el("p", { class: "st-radar-keys" }, known.map((one) => el("span", { class: `st-key ${series(one)}` }, el("i", {}), ` ${one.name} `))));
};
