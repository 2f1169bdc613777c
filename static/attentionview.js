// One prompt under the eyes of one or more models: text with a heat ribbon, layer x head grids, figures, all on one scale.
// Knows slices as /api/attention hands them out; only text nodes.
(() => {
  "use strict";
  const Subtext = (window.Subtext = window.Subtext || {});
  const unpack = (words, Kind) => new Kind(Uint8Array.from(atob(words), (char) => char.charCodeAt(0)).buffer);
  const opened = (one) => ({ ...one, ends: unpack(one.ends, Int32Array), content: unpack(one.content, Uint8Array), preference: unpack(one.preference, Float32Array), query: unpack(one.query, Float32Array), mean: unpack(one.mean, Float32Array), masses: unpack(one.masses, Float32Array), told: { figures: one.figures, control: one.control, reason: one.reason, tokens: one.tokens }, heads_told: new Map() });
  const quantile = (values, part) => { const sorted = Float32Array.from(values).sort(); return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] : 0; };

  Subtext.attentionSlice = async (of) => opened(await Subtext.api(`/api/attention/slices/${of}`));

  // Of every name its `slice`, or why it is `gone`.
  Subtext.attentionSlices = (names) => Promise.all(names.map((of) => Subtext.attentionSlice(of).then((slice) => ({ of, slice }), (error) => ({ of, gone: error.message }))));

  // What the numbers of a row are called, and what each means.
  const NAMES = [["mass", "Mass", "of the attention lies on the preference (the paper's number)"], ["share", "Share of tokens", "of the prompt is the preference"], ["lift", "Lift", "mass by share; 1 is what uniform attention gives"], ["kept_mass", "Mass without sink and template", "among the tokens of messages, without the first token"], ["kept_lift", "Lift without sink and template", "the same by its share of those tokens"], ["first", "First token", "of the attention lies on it: the sink of most models"]];
  const value = (name, number) => { const { none, share, number: plain } = Subtext.evaluating; return none(number) ? "–" : name.endsWith("lift") ? `${plain(number, 2)} ×` : `${share(number)} %`; };
  Subtext.attentionFigures = ({ figures, control, reason, tokens }) => {
    const { el } = Subtext, { none, share } = Subtext.evaluating;
    if (!figures) return el("p", { class: "st-warning" }, reason || "Nothing can be said about this prompt.");
    const beside = control && none(control.mean) ? control.reason : `${share(control.mean)} % [${share(control.low)} to ${share(control.high)}] on ${Subtext.many(control.windows, "other span")} ${control.length < Math.round(figures.share * tokens) ? `of ${Subtext.many(control.length, "token")}, taken as if they were as long` : "as long"}; the preference is above ${share(control.above, 0)} % of them`;
    return el("div", {}, el("dl", { class: "st-facts st-token-facts" }, NAMES.map(([name, label, meaning]) => [el("dt", {}, label), el("dd", { "data-figure": name, title: meaning }, value(name, figures[name]))])), el("p", { class: "st-dim", "data-figure": "control" }, `Other spans: ${beside}`));
  };
  Subtext.attentionNames = NAMES;
  Subtext.attentionValue = value;

  // Masses of the preference, head by head: a picture to choose from with the pointer, and two lists that say the same.
  const grid = (one, choose) => {
    const { el } = Subtext, { share } = Subtext.evaluating, size = Math.max(6, Math.min(28, Math.floor(300 / one.heads)));
    const canvas = el("canvas", { class: "st-head-grid", width: one.heads * size, height: one.layers * size, role: "img", "aria-label": `Mass of the preference in ${one.layers} layers (down) of ${one.heads} heads (across); the lists beside it choose one` });
    const said = el("p", { class: "st-dim" });
    let at = null;
    const draw = () => {
      const style = getComputedStyle(document.querySelector(".st-page")), brush = canvas.getContext("2d"), top = Math.max(...one.masses, 1e-6);
      brush.globalAlpha = 1; brush.fillStyle = style.getPropertyValue("--st-card"); brush.fillRect(0, 0, canvas.width, canvas.height);
      one.masses.forEach((mass, place) => { brush.globalAlpha = Math.sqrt(Math.max(0, mass) / top); brush.fillStyle = style.getPropertyValue("--st-more"); brush.fillRect((place % one.heads) * size, Math.floor(place / one.heads) * size, size - 1, size - 1); });
      brush.globalAlpha = 1;
      if (at) { brush.strokeStyle = style.getPropertyValue("--st-focus"); brush.lineWidth = 2; brush.strokeRect(at.head * size + 1, at.layer * size + 1, size - 3, size - 3); }
      said.textContent = at && at.layer < one.layers && at.head < one.heads ? `Layer ${at.layer + 1}, head ${at.head + 1}: ${share(one.masses[at.layer * one.heads + at.head])} % on the preference.` : `Brightest: ${share(top)} % on the preference.`;
    };
    canvas.addEventListener("click", (event) => { const place = canvas.getBoundingClientRect(); choose({ layer: Math.min(one.layers - 1, Math.floor(((event.clientY - place.top) / place.height) * one.layers)), head: Math.min(one.heads - 1, Math.floor(((event.clientX - place.left) / place.width) * one.heads)) }); });
    new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
    return { box: el("div", {}, canvas, said), mark: (place) => { at = place; draw(); } };
  };

  // `slices` as attentionSlice gives them; the first is what the others are compared with.
  Subtext.attentionView = (box, slices, notice) => {
    const { el, fill, api, guarded } = Subtext, { switcher } = Subtext.evaluating;
    const state = { at: null, mode: "heat" };
    const legend = el("p", { class: "st-ribbon-legend" }), tools = el("div", { class: "st-toolbar" });
    const parts = slices.map((one, place) => {
      const field = el("div", { class: "st-ribbon-field" }), figures = el("div"), token = el("p", { class: "st-dim st-verbatim", "aria-live": "polite" });
      const ribbon = Subtext.ribbon(field, { label: `Prompt as ${one.model} reads it; the left and right arrow keys walk its tokens`, over: (at) => tell(place, at), focus: (at) => tell(place, at), away: () => { token.textContent = ""; } });
      const chooser = grid(one, (at) => choose(at));
      const head = el("h3", {}, one.model), part = { one, ribbon, figures, token, chooser, row: one.mean, told: one.told, minus: null };
      part.box = el("div", { class: "st-attention-model", "data-slice": one.of }, head, el("div", { class: "st-ribbon-sides" }, el("div", {}, field, token), el("div", { class: "st-ribbon-panel" }, figures, el("h3", {}, "Layers and heads"), chooser.box)));
      return part;
    });
    const tell = (place, at) => {
      const { one, row, minus, token } = parts[place], times = row.length;
      const words = one.text.slice(at ? one.ends[at - 1] : 0, one.ends[at]), shown = JSON.stringify(words).slice(1, -1);
      token.textContent = `Token ${at + 1} of ${times}, “${shown.length > 60 ? `${shown.slice(0, 59)}…` : shown}”: ${(100 * row[at]).toPrecision(3)} % of the attention, ${(row[at] * times).toPrecision(3)} times uniform${one.preference[at] > 0 ? "; in the preference" : one.content[at] ? "" : "; the template's own"}${minus ? `; ${minus[at] >= 0 ? "+" : "−"}${Math.abs(100 * minus[at]).toPrecision(3)} points` : ""}.`;
    };
    const colour = () => {
      const differing = state.mode === "minus";
      const scaled = (part) => (differing ? part.minus && part.minus.map((value) => Math.abs(value) * part.row.length) : part.row.map((value) => value * part.row.length));
      const tops = parts.map((part) => { const found = scaled(part); return found ? quantile(found.subarray(1), 0.995) : 0; }), top = Math.max(differing ? 0.05 : 2, ...tops);
      parts.forEach((part) => {
        const { one, row, minus } = part;
        const bare = differing && !minus;
        part.ribbon.colour((at) => { const found = bare ? 0 : (differing ? minus[at] : row[at]) * row.length; return { colour: differing ? (found < 0 ? "low" : "high") : "more", strength: Math.sqrt(Math.min(1, Math.abs(found) / top)), line: one.preference[at] > 0, bare: false }; });
      });
      fill(legend, el("span", { class: "st-ramp-key" }, differing ? `−${top.toPrecision(2)}` : "0", el("span", { class: `st-ramp ${differing ? "st-ramp-two" : "st-ramp-one"}` }), differing ? `+${top.toPrecision(2)}` : `${top.toPrecision(2)} or more`, " times uniform, one scale for all; colour grows with the square root"), el("span", { class: "st-clipped-key" }, "the preference"));
    };
    const show = () => {
      for (const part of parts) { fill(part.figures, Subtext.attentionFigures(part.told)); part.chooser.mark(state.at); }
      colour();
    };
    // Every model shows the same layer and head, or its mean where it has none such.
    const rowOf = async ({ one }, at) => {
      if (at === null || at.layer >= one.layers || at.head >= one.heads) return { row: one.mean, told: one.told };
      const key = `${at.layer}/${at.head}`;
      if (!one.heads_told.has(key)) { const found = await api(`/api/attention/slices/${one.of}/head?layer=${at.layer}&head=${at.head}`); one.heads_told.set(key, { ...found, row: unpack(found.row, Float32Array) }); }
      const found = one.heads_told.get(key);
      return { row: found.row, told: found };
    };
    // Whether a model reads the prompt as the same tokens as the first one.
    const alike = async (part) => {
      if (part.alike !== undefined) return;
      const found = await api(`/api/attention/slices/${part.one.of}/minus/${parts[0].one.of}`);
      part.alike = !found.reason; part.why = found.reason;
    };
    // What comes when something else was chosen meanwhile, a refusal too, is not shown.
    let turn = 0;
    const settle = guarded(async () => {
      const mine = ++turn, { at, mode } = state;
      drawTools();
      try {
        const rows = await Promise.all(parts.map((part) => rowOf(part, at)));
        if (mode === "minus") await Promise.all(parts.slice(1).map(alike));
        if (mine !== turn) return;
        parts.forEach((part, place) => Object.assign(part, rows[place]));
      } catch (error) { if (mine !== turn) return; throw error; }
      for (const part of parts.slice(1)) {
        part.minus = mode === "minus" && part.alike ? part.row.map((value, at) => value - parts[0].row[at]) : null;
        if (mode === "minus" && !part.alike) Subtext.toast(`${part.one.model}: ${part.why}`);
      }
      show();
    });
    const choose = (at) => { state.at = at; return settle(); };
    const select = (label, id, count, chosen, change) => { const made = el("select", { id, onchange: () => change(made.value) }, el("option", { value: "" }, "mean of all"), [...Array(count).keys()].map((number) => el("option", { value: number }, number + 1))); made.value = chosen === null ? "" : String(chosen); return el("label", {}, label, made); };
    const drawTools = () => {
      const held = tools.contains(document.activeElement) ? document.activeElement : null;
      const most = (name) => Math.max(...slices.map((one) => one[name])), whole = slices.some((one) => one.whole);
      fill(tools, whole ? [select("Layer", "st-layer", most("layers"), state.at && state.at.layer, (text) => choose(text === "" ? null : { layer: Number(text), head: state.at ? state.at.head : 0 })), select("Head", "st-head", most("heads"), state.at && state.at.head, (text) => choose(text === "" ? null : { layer: state.at ? state.at.layer : 0, head: Number(text) }))] : el("span", { class: "st-dim" }, "Of this prompt the mean over layers and heads was kept, not each head."),
        slices.length > 1 ? switcher("What is shown", [["heat", "Attention"], ["minus", `Difference to ${slices[0].model}`]], state.mode, (mode) => { state.mode = mode; settle(); }) : null);
      // Made anew, but the keyboard stays where it was.
      if (held) tools.querySelector(held.id ? `#${held.id}` : `[data-choice="${held.dataset.choice}"]`)?.focus();
    };
    drawTools();
    fill(box, el("p", { class: "st-note", "data-notice": "" }, notice), tools, legend, parts.map((part) => part.box));
    for (const part of parts) part.ribbon.take(part.one.text, part.one.ends, []);
    show();
    // The first place that matters, not the system prompt.
    for (const part of parts) { const at = part.one.preference.findIndex((share) => share > 0); if (at >= 0) part.ribbon.token(at); }
  };
})();
