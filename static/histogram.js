// Score histogram against the rubric's bands, as an SVG of our own.
Subtext.histogram = (data, rubric) => {
  const { el, many, shade } = Subtext;
  const width = 640, height = 150, top = 18, step = width / 20;
  const most = Math.max(1, ...data.bins);
  const x = (value) => ((value + 1) / 2) * width;
  const bars = data.bins.map((count, index) => {
    const tall = (count / most) * (height - top);
    return el("svg:rect", { class: "st-bar", "data-shade": shade(-0.95 + index / 10), x: index * step + 1.5, width: step - 3, y: height - tall, height: tall },
      el("svg:title", {}, `${(index / 10 - 1).toFixed(1)} to ${(index / 10 - 0.9).toFixed(1)}: ${many(count, "step")}`));
  });
  const limits = [-0.695, -0.395, 0, 0.1, 0.4, 0.7, 0.9].map((value) => el("svg:line", { class: "st-limit", x1: x(value), x2: x(value), y1: 4, y2: height }));
  const ticks = [-1, -0.5, 0, 0.5, 1].map((value) => el("svg:text", { class: "st-tick", x: x(value), y: height + 16, "text-anchor": value === -1 ? "start" : value === 1 ? "end" : "middle" }, Subtext.score(value)));
  const scored = data.total - data.unscored;
  const rows = rubric.slice().reverse().map((band) => el("tr", {}, el("td", {}, band.label),
    el("td", { class: "st-number" }, data.bands[band.key].toLocaleString("en")),
    el("td", { class: "st-number" }, scored ? `${((100 * data.bands[band.key]) / scored).toFixed(1)} %` : "–")));
  return el("figure", { class: "st-figure" },
    el("figcaption", {}, `${many(scored, "scored step")}${data.unscored ? `, ${many(data.unscored, "unscored step")}` : ""}. Lines are the rubric's band limits.`),
    data.warning ? el("p", { class: "st-warning", role: "alert" }, data.warning) : null,
    el("svg:svg", { viewBox: `0 0 ${width} ${height + 20}`, role: "img", "aria-label": "Histogram of step scores from -1 to 1; the table has the numbers" }, ...limits, ...bars, ...ticks),
    el("details", {}, el("summary", {}, "Numbers by band"), el("table", { class: "st-table" }, el("thead", {}, el("tr", {}, el("th", {}, "band"), el("th", {}, "steps"), el("th", {}, "share"))), el("tbody", {}, rows))));
};
