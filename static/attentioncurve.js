// Figure 6 over many scenarios: attention along the parts of the prompt, one line a model with its interval.
Subtext.attentionCurve = (models, segments, by = "lift") => {
  const { el } = Subtext, { none, number } = Subtext.evaluating;
  const width = 760, height = 280, left = 46, right = 10, top = 12, bottom = 44, bins = segments.reduce((sum, [, count]) => sum + count, 0);
  const known = models.filter((one) => one.curve && one.curve.mass);
  if (!known.length) return el("p", { class: "st-dim" }, "There is no curve yet.");
  const at = (curve, name, bin) => (by === "mass" ? 100 * curve[name][bin] : none(curve.lift[bin]) ? null : curve[name][bin] / curve.share[bin]);
  // The sink is far above everything else: the scale ends at what the other bins reach, and says so.
  const values = known.flatMap((one) => [...Array(bins).keys()].slice(1).map((bin) => at(one.curve, "high", bin) ?? at(one.curve, "mass", bin)).filter((value) => !none(value)));
  const low = Math.min(0, ...known.flatMap((one) => [...Array(bins).keys()].slice(1).map((bin) => at(one.curve, "low", bin)).filter((value) => !none(value)))), end = Math.max(by === "mass" ? 1 : 2, ...values);
  const x = (bin) => left + ((bin + 0.5) / bins) * (width - left - right), y = (value) => top + (1 - (Math.max(low, Math.min(end, value)) - low) / (end - low)) * (height - top - bottom);
  let start = 0;
  const parts = segments.map(([name, count]) => { const own = { name, from: start, to: start + count }; start += count; return own; });
  const edge = (bin) => left + (bin / bins) * (width - left - right);
  const WORDS = { head: "before", preference: "preference", turns: "between", question: "query", tail: "rest" };
  const line = (one, place) => {
    const runs = [[]];
    for (let bin = 0; bin < bins; bin += 1) { const value = at(one.curve, "mass", bin); if (none(value)) runs.push([]); else runs.at(-1).push(bin); }
    const points = (run, name) => run.map((bin) => `${x(bin).toFixed(1)},${y(at(one.curve, name, bin)).toFixed(1)}`);
    return el("svg:g", { class: `st-series-${place % 6}`, "data-curve": one.name }, runs.filter((run) => run.length).map((run) => [none(one.curve.low[run[0]]) ? null : el("svg:polygon", { class: "st-attention-band", points: [...points(run, "low"), ...points(run, "high").reverse()].join(" ") }), el("svg:polyline", { class: "st-curve", points: points(run, "mass").join(" ") })]));
  };
  const ticks = [...new Set([low, 0, by === "lift" ? 1 : end / 2, end])].map((value) => [el("svg:line", { class: value === 1 && by === "lift" ? "st-limit" : "st-grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }), el("svg:text", { class: "st-tick", x: left - 6, y: y(value) + 4, "text-anchor": "end" }, number(value, value === 1 || value === 0 ? 0 : 1))]);
  return el("figure", { class: "st-figure", "data-by": by }, el("figcaption", {}, by === "lift" ? "Attention by position, times uniform (1: the dotted line)." : "Attention by position, percent of all in each bin.", " The same place is the same part of the prompt in every scenario; bands are 95 % over scenarios.", known.some((one) => at(one.curve, "mass", 0) > end) ? " The first place, which holds the sink, goes above the picture." : ""),
    el("svg:svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Averaged attention by position; the table has the numbers" },
      parts.filter((one) => one.name === "preference").map((one) => el("svg:rect", { class: "st-attention-region", x: edge(one.from), y: top, width: edge(one.to) - edge(one.from), height: height - top - bottom })), ticks,
      parts.map((one) => [el("svg:line", { class: "st-grid", x1: edge(one.from), x2: edge(one.from), y1: top, y2: height - bottom }), el("svg:text", { class: "st-tick", x: (edge(one.from) + edge(one.to)) / 2, y: height - bottom + 17, "text-anchor": "middle" }, WORDS[one.name] || one.name)]),
      known.map(line)),
    el("p", { class: "st-radar-keys" }, known.map((one, place) => el("span", { class: `st-key st-series-${place % 6}` }, el("i", {}), ` ${one.name} `))));
};
