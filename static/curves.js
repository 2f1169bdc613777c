// Small curves of the numbers a job reports: one for each name, drawn again when new points arrive.
Subtext.curves = (box) => {
  const { el, fill } = Subtext;
  const series = new Map(); // name -> [[step, value], ...]
  const short = (value) => (value === null ? "no number" : Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(2) : String(Number(value.toPrecision(4)))).replace("-", "−");
  const width = 260, height = 96, left = 4, top = 6;

  const drawn = (name, points) => {
    const numbers = points.map(([, value]) => value).filter((value) => value !== null);
    const low = Math.min(...numbers), high = Math.max(...numbers), first = points[0][0], last = points.at(-1)[0];
    const x = (step) => left + ((step - first) / (last - first || 1)) * (width - 2 * left), y = (value) => top + (high === low ? 0.5 : (high - value) / (high - low)) * (height - 2 * top);
    const lines = [[]];
    for (const [step, value] of points) { if (value === null) lines.push([]); else lines.at(-1).push(`${x(step).toFixed(1)},${y(value).toFixed(1)}`); }
    const missing = points.length - numbers.length;
    return el("figure", { class: "st-small-curve", "data-metric": name },
      el("figcaption", {}, el("b", {}, name), el("span", {}, ` ${short(points.at(-1)[1])}`)),
      el("svg:svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": numbers.length ? `${name}: ${short(points.at(-1)[1])} at step ${last}, between ${short(low)} and ${short(high)}` : `${name}: no number yet` },
        el("svg:line", { class: "st-limit", x1: left, x2: width - left, y1: height - 1, y2: height - 1 }),
        numbers.length ? lines.filter((line) => line.length).map((line) => (line.length > 1 ? el("svg:polyline", { class: "st-curve st-series-0", points: line.join(" ") }) : el("svg:circle", { class: "st-dot st-series-0", cx: line[0].split(",")[0], cy: line[0].split(",")[1], r: 2.5 }))) : null),
      el("p", { class: "st-dim" }, numbers.length ? `${short(low)} to ${short(high)}, step ${first} to ${last}` : "", missing ? el("span", { class: "st-bad-text" }, ` ${Subtext.many(missing, "value")} no number`) : null));
  };
  const draw = () => {
    const rank = (name) => (/^(loss|reward$|step_score|zero_|unscored|steps$|rewards.format.mean)/.test(name) ? 0 : /^(eval_loss|kl$|entropy|outside|turned)/.test(name) ? 1 : 2);
    const all = [...series].sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b)).map(([name, points]) => drawn(name, points));
    fill(box, all.length ? el("h3", {}, "Numbers") : null, el("div", { class: "st-small-curves" }, all.slice(0, 12)),
      all.length > 12 ? el("details", { open: box.querySelector("details")?.open }, el("summary", {}, `${all.length - 12} more`), el("div", { class: "st-small-curves" }, all.slice(12))) : null);
  };
  return {
    // Returns the last step it knows, from which to ask on.
    take(found) {
      const fresh = Object.entries(found);
      for (const [name, points] of fresh) {
        const known = (series.get(name) || []).filter(([step]) => step < points[0][0]);
        const joined = [...known, ...points];
        series.set(name, joined.length > 2400 ? joined.filter((_, index) => index % 2 || index === joined.length - 1) : joined);
      }
      if (fresh.length) draw();
      return Math.max(-1, ...[...series.values()].map((points) => points.at(-1)[0]));
    },
  };
};
