// The pictures of a report: a radar of every row (misleading risk inverted), and innovation against misleading risk.
Subtext.radar = (found, id) => {
  const { el, fill } = Subtext, { none, percent, address } = Subtext.evaluating;
  const width = 420, height = 350, middle = [210, 172], radius = 120, axes = found.axes;
  const ours = found.rows.filter((one) => one.row !== null), paper = found.rows.filter((one) => one.row === null);
  const shown = new Set(ours.slice(0, 4));
  const at = (place, value) => { const turn = (place / axes.length) * 2 * Math.PI - Math.PI / 2; return [middle[0] + Math.cos(turn) * radius * (value / 100), middle[1] + Math.sin(turn) * radius * (value / 100)]; };
  const pair = ([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`;
  const look = (one) => (one.row === null ? `st-radar-paper st-dash-${paper.indexOf(one) % 4}` : `st-series-${ours.indexOf(one) % 6} st-dash-${Math.floor(ours.indexOf(one) / 6) % 4}`);
  const line = (one) => {
    const known = one.spokes.map((spoke, place) => (none(spoke.percent) ? null : at(place, spoke.percent))), whole = known.every(Boolean);
    // A missing spoke breaks the line: nothing is drawn across it.
    const parts = whole ? [] : known.map((point, place) => [point, known[(place + 1) % known.length]]).filter(([a, b]) => a && b);
    return el("svg:g", { class: look(one), "data-radar": one.name },
      whole ? el("svg:polygon", { class: "st-radar-line", points: known.map(pair).join(" ") }) : parts.map(([a, b]) => el("svg:polyline", { class: "st-radar-line", points: `${pair(a)} ${pair(b)}` })),
      known.map((point, place) => (point ? el("svg:circle", { class: "st-dot", cx: point[0].toFixed(1), cy: point[1].toFixed(1), r: 3.2 }, el("svg:title", {}, `${one.name}, ${axes[place]}: ${percent(one.spokes[place].percent)}`)) : null)));
  };
  const picture = el("div");
  const draw = () => fill(picture, el("svg:svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Radar of the rows; the table below has the numbers" },
    [25, 50, 75, 100].map((ring) => [el("svg:polygon", { class: "st-ring", points: axes.map((_, place) => pair(at(place, ring))).join(" ") }), el("svg:text", { class: "st-tick", x: middle[0] - 4, y: at(0, ring)[1] + 11, "text-anchor": "end" }, ring)]),
    axes.map((name, place) => { const [x, y] = at(place, 100), [tx, ty] = at(place, 112); return [el("svg:line", { class: "st-grid", x1: middle[0], y1: middle[1], x2: x, y2: y }), el("svg:text", { class: "st-tick st-radar-axis", x: tx, y: ty + 4, "text-anchor": Math.abs(tx - middle[0]) < 8 ? "middle" : tx > middle[0] ? "start" : "end" }, name)]; }),
    [...paper, ...ours].filter((one) => shown.has(one)).map(line)));
  const boxes = new Map();
  const choice = (one) => {
    const box = el("input", { type: "checkbox", checked: shown.has(one), onchange: () => { if (box.checked) shown.add(one); else shown.delete(one); draw(); } });
    boxes.set(one, box);
    return el("label", { class: "st-check st-radar-key" }, box, el("svg:svg", { class: look(one), viewBox: "0 0 26 8", width: 26, height: 8, "aria-hidden": "true" }, el("svg:line", { class: "st-radar-line", x1: 1, x2: 25, y1: 4, y2: 4 })), el("span", {}, one.name));
  };
  const every = el("button", { class: "st-button st-quiet", type: "button", id: "st-radar-paper", "aria-pressed": "false", onclick: () => {
    const on = !paper.every((one) => shown.has(one));
    for (const one of paper) { if (on) shown.add(one); else shown.delete(one); boxes.get(one).checked = on; }
    every.setAttribute("aria-pressed", String(on));
    draw();
  } }, "All of the paper's");
  draw();
  return el("figure", { class: "st-figure st-square", id: "st-radar" }, el("figcaption", {}, el("b", {}, "Radar."), " Outside is better on every axis: misleading risk is drawn as 100 − Acc_Mis. Values in percent.", ours.some((one) => one.spokes.some((spoke) => !none(spoke.percent))) ? null : el("b", {}, " No row of ours has a number yet.")), picture,
    el("div", { class: "st-radar-keys", role: "group", "aria-label": "Rows in the radar" }, ours.map(choice)),
    paper.length ? el("details", {}, el("summary", {}, "Rows of the paper"), el("div", { class: "st-radar-keys" }, paper.map(choice)), every) : null,
    el("details", {}, el("summary", {}, "Numbers of the radar"), Subtext.evaluating.scroll("Numbers of the radar", el("table", { class: "st-table" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Row"), axes.map((name) => el("th", { scope: "col", class: "st-number" }, name)))),
      el("tbody", {}, found.rows.map((one) => el("tr", {}, el("th", { scope: "row" }, one.row === null ? one.name : el("a", { href: address(id, { row: one.row, metric: "acc_da" }) }, one.name)), one.spokes.map((spoke) => el("td", { class: "st-number" }, percent(spoke.percent))))))))));
};

Subtext.frontier = ({ points, switches }, id) => {
  const { el } = Subtext, { none, share, between, address } = Subtext.evaluating;
  const title = el("figcaption", {}, el("b", {}, "Innovation against misleading risk."), " Up and to the left is better. A cross is a 95 % interval; the line joins rows that no other row beats in both.");
  if (!points.length) return el("figure", { class: "st-figure st-square", id: "st-frontier" }, title, el("p", { class: "st-dim" }, "No row has both numbers yet."));
  const width = 420, height = 330, left = 44, bottom = 42, top = 10, right = 14;
  const reach = (value, interval) => Math.max(value, none(interval.high) ? 0 : interval.high);
  const round = (value) => Math.min(1, Math.max(0.1, Math.ceil(value * 10) / 10));
  const ends = [round(Math.max(...points.map((one) => reach(one.risk, one.risk_interval)))), round(Math.max(...points.map((one) => reach(one.gain, one.gain_interval))))];
  const x = (value) => left + (value / ends[0]) * (width - left - right), y = (value) => top + (1 - value / ends[1]) * (height - top - bottom);
  const ticks = (end) => [0, 0.25, 0.5, 0.75, 1].map((part) => part * end);
  const best = points.filter((one) => one.frontier);
  const spoken = (one) => `${one.name}: innovation ${share(one.gain)} %, misleading risk ${share(one.risk)} %${one.frontier ? ", on the frontier" : ""}`;
  const cross = (one) => [none(one.risk_interval.low) ? null : el("svg:line", { class: "st-cross", x1: x(one.risk_interval.low), x2: x(one.risk_interval.high), y1: y(one.gain), y2: y(one.gain) }), none(one.gain_interval.low) ? null : el("svg:line", { class: "st-cross", x1: x(one.risk), x2: x(one.risk), y1: y(one.gain_interval.low), y2: y(one.gain_interval.high) })];
  const spot = (one) => el("svg:g", { class: `st-series-${one.row % 6}` }, cross(one), el("svg:a", { href: address(id, { row: one.row, metric: "m_ie" }), "aria-label": spoken(one), "data-point": one.row }, el("svg:circle", { class: `st-spot ${one.frontier ? "st-on-frontier" : ""}`, cx: x(one.risk).toFixed(1), cy: y(one.gain).toFixed(1), r: 5 }, el("svg:title", {}, spoken(one)))));
  // Points that lie on each other share one label, which stays inside the picture.
  const labels = [];
  for (const [place, one] of points.slice(0, 60).entries()) { const [across, up] = [x(one.risk), y(one.gain)], near = labels.find((other) => Math.abs(other.across - across) < 7 && Math.abs(other.up - up) < 7); if (near) near.names.push(place + 1); else labels.push({ across, up, names: [place + 1] }); }
  const label = ({ across, up, names }) => el("svg:text", { class: "st-tick st-spot-number", x: across > width - 60 ? across - 8 : across + 8, y: up < top + 16 ? up + 16 : up - 7, "text-anchor": across > width - 60 ? "end" : "start" }, names.length > 4 ? `${names.slice(0, 3).join(", ")}, …` : names.join(", "));
  const told = switches.map(([cost, name], place) => (place === 0 ? [el("b", {}, name), " is the best where a misleading answer costs nothing"] : [place === switches.length - 1 && switches.length > 2 ? "; and " : "; ", el("b", {}, name), ` from ${cost.toFixed(2)} innovative answers for each misleading one`]));
  return el("figure", { class: "st-figure st-square", id: "st-frontier" }, title,
    el("svg:svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Innovation upwards, misleading risk to the right; each point opens its row" },
      ticks(ends[0]).map((value) => [el("svg:line", { class: "st-grid", x1: x(value), x2: x(value), y1: y(0), y2: y(ends[1]) }), el("svg:text", { class: "st-tick", x: x(value), y: y(0) + 16, "text-anchor": "middle" }, Number((100 * value).toFixed(1)))]),
      ticks(ends[1]).map((value) => [el("svg:line", { class: "st-grid", x1: x(0), x2: x(ends[0]), y1: y(value), y2: y(value) }), el("svg:text", { class: "st-tick", x: left - 6, y: y(value) + 4, "text-anchor": "end" }, Number((100 * value).toFixed(1)))]),
      el("svg:text", { class: "st-tick", x: x(ends[0] / 2), y: height - 6, "text-anchor": "middle" }, "misleading risk (Acc_Mis), %"),
      el("svg:text", { class: "st-tick", x: 0, y: 0, "text-anchor": "middle", transform: `translate(12 ${y(ends[1] / 2)}) rotate(-90)` }, "innovation (m_ie), %"),
      best.length > 1 ? el("svg:polyline", { class: "st-frontier-line", points: best.map((one) => `${x(one.risk).toFixed(1)},${y(one.gain).toFixed(1)}`).join(" ") }) : null,
      points.slice(0, 60).map(spot), labels.map(label)),
    el("p", { id: "st-switches" }, told, "."),
    el("ol", { class: "st-points" }, points.slice(0, 60).map((one, place) => el("li", {}, el("span", { class: `st-key st-series-${one.row % 6}` }, el("i", {}), `${place + 1}`), el("a", { href: address(id, { row: one.row, metric: "m_ie" }) }, one.name), el("span", { class: "st-dim" }, ` ${share(one.gain)} [${between(one.gain_interval) || "no interval"}] against ${share(one.risk)} [${between(one.risk_interval) || "no interval"}]`), one.frontier ? el("span", { class: "st-tag" }, "frontier") : null))));
};
