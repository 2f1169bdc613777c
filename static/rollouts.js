// Rollouts: choose a run, an update and a prompt; see every token of its responses with its credit, the steps side by side, findings.
Subtext.rollouts = (element) => Subtext.page(element, "Rollouts", async () => {
  const { el, api, fill, many, guarded, score, shade } = Subtext;
  const find = (id) => element.querySelector(`#${id}`);
  const query = new URLSearchParams(location.search);
  const asked = (name) => { const value = query.get(name); return value !== null && /^\d{1,9}$/.test(value) ? Number(value) : null; };
  const COLOURS = [["score", "Score"], ["advantage", "Advantage"], ["kl", "KL"], ["entropy", "Entropy"]];
  const state = { job: asked("job"), update: asked("update"), group: asked("group"), response: asked("response"), step: asked("step"), by: COLOURS.some(([name]) => name === query.get("by")) ? query.get("by") : "advantage", other: asked("other") };
  let runs = [], run = null, update = null, group = null, turn = 0;

  const num = (value, digits = 2) => (value === null || value === undefined || Number.isNaN(value) ? "–" : value.toFixed(digits).replace("-", "−"));
  const signed = (value) => (value === null || value === undefined || Number.isNaN(value) ? "–" : `${value > 0.005 ? "+" : ""}${num(Math.abs(value) < 0.005 ? 0 : value)}`);
  const small = (value) => (value === null || value === undefined || Number.isNaN(value) ? "–" : value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(1).replace("-", "−") : num(value, 3));
  const chip = (value) => el("span", { class: "st-chip", "data-shade": shade(value) }, score(value));
  const address = (change) => {
    const values = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...state, ...change })) if (value !== null && !(name === "by" && value === "advantage")) values.set(name, value);
    return `/rollouts?${values}`;
  };
  const keep = () => history.replaceState(history.state, "", address({}));
  const link = (change, act, attributes, ...content) => el("a", { href: address(change), onclick: (event) => { if (event.metaKey || event.ctrlKey) return; event.preventDefault(); act(); }, ...attributes }, ...content);
  const scroll = (label, ...content) => el("div", { class: "st-scroll", tabindex: "0", role: "region", "aria-label": label }, ...content);

  // Arrays come as base64, little-endian.
  const unpack = (words, Kind) => new Kind(Uint8Array.from(atob(words), (char) => char.charCodeAt(0)).buffer);
  const opened = (one) => ({ ...one, ids: unpack(one.ids, Int32Array), ends: unpack(one.ends, Int32Array), index: unpack(one.index, Int32Array), advantage: unpack(one.advantages, Float32Array), kl: unpack(one.kl, Float32Array), entropy: unpack(one.entropy, Float32Array), clipped: unpack(one.clipped, Uint8Array) });

  // Which run, update and prompt.
  const problems = (list) => (list.length ? el("div", { class: "st-warning", role: "alert" }, el("p", {}, "Not everything could be read:"), el("ul", {}, list.slice(0, 12).map((one) => el("li", {}, one))), list.length > 12 ? el("p", {}, `And ${list.length - 12} more.`) : null) : null);
  const choice = () => {
    const at = run ? run.updates.indexOf(state.update) : -1;
    const step = (by, text, id) => el("button", { class: "st-button", type: "button", id, disabled: !run || !run.updates[at + by] || at < 0, onclick: () => toUpdate(run.updates[at + by]) }, text);
    const which = el("select", { id: "st-run", onchange: () => toRun(Number(which.value)) }, runs.map((one) => el("option", { value: one.job, selected: one.job === state.job }, `Job ${one.job}: ${one.name || one.kind}, ${many(one.count, "update")}, ${one.status}`)));
    const number = el("select", { id: "st-update", onchange: () => toUpdate(Number(number.value)) }, run ? run.updates.map((one) => el("option", { value: one, selected: one === state.update }, one)) : null);
    fill(find("st-rollout-choice"), el("div", { class: "st-rollout-choice" }, el("label", {}, "Run", which), el("label", {}, "Update", number), el("div", { class: "st-switch" }, step(-1, "← Before", "st-update-before"), step(1, "After →", "st-update-after")), state.job ? el("a", { href: `/jobs?job=${state.job}` }, `Job ${state.job}`) : null));
  };
  const tags = (counts) => Object.entries(counts).map(([kind, count]) => [el("span", { class: "st-tag", "data-kind": kind }, `${count > 1 ? `${count} × ` : ""}${TITLES[kind] || kind}`), " "]);
  let TITLES = {};
  const groups = () => {
    TITLES = Object.fromEntries(update.findings.map((one) => [one.kind, one.title]));
    const row = (one) => el("tr", { "data-group": one.group, "aria-current": one.group === state.group ? "true" : null },
      el("th", { scope: "row" }, link({ group: one.group, response: null, step: null, other: null }, () => toGroup(one.group), {}, one.query || "(no query)"), el("span", { class: "st-dim" }, one.preference)),
      el("td", { class: "st-number", "data-label": "mean score" }, chip(one.score)), el("td", { class: "st-number", "data-label": "responses" }, one.responses), el("td", { class: "st-number", "data-label": "tokens" }, Math.round(one.tokens)), el("td", { class: "st-number", "data-label": "steps" }, num(one.steps, 1)), el("td", { class: "st-number", "data-label": "KL" }, small(one.kl)), el("td", { "data-label": "findings" }, el("span", {}, tags(one.findings))));
    fill(find("st-rollout-groups"), problems(update.problems),
      update.groups.length ? el("div", { class: "st-scroll st-prompts", tabindex: "0", role: "region", "aria-label": "Prompts of the update" }, el("table", { class: "st-table st-models" }, el("caption", { class: "st-only-readers" }, `Prompts of update ${update.update}`),
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Prompt"), ["Mean score", "Responses", "Tokens", "Steps", "KL"].map((name) => el("th", { scope: "col", class: "st-number" }, name)), el("th", { scope: "col" }, "Findings"))), el("tbody", {}, update.groups.map(row)))) : el("p", { class: "st-dim" }, "No response of this update could be read."),
      update.more ? el("p", { class: "st-dim" }, `The first ${update.groups.length} prompts are shown.`) : null);
  };

  // One response, token by token.
  const toolbar = el("div", { class: "st-toolbar" }), legend = el("p", { class: "st-ribbon-legend" }), strip = el("div", { class: "st-step-strip", role: "group", "aria-label": "Steps of the response" });
  const asking = el("div"), field = el("div", { class: "st-ribbon-field" }), token = el("div", { id: "st-token", "aria-live": "polite" }), critique = el("div", { id: "st-critique" });
  fill(find("st-ribbon"), asking, toolbar, legend, strip, el("div", { class: "st-ribbon-sides" }, field, el("div", { class: "st-ribbon-panel" }, el("h3", {}, "Token"), token, el("h3", {}, "Step"), critique)));
  let current = null;
  const ribbon = Subtext.ribbon(field, {
    label: "Text of the response; the left and right arrow keys walk its tokens",
    over: (place) => { tellToken(place); if (current.index[place] >= 0) tellStep(current.index[place]); },
    focus: (place) => { tellToken(place); const step = current.index[place]; if (step >= 0) toStep(step, false); },
    away: () => tellStep(state.step),
  });
  const stepScore = (place) => (place < 0 || current.steps[place].score === null ? NaN : current.steps[place].score);
  const VALUES = { score: (at) => stepScore(current.index[at]), advantage: (at) => current.advantage[at], kl: (at) => current.kl[at], entropy: (at) => current.entropy[at] };
  const diverging = () => state.by === "score" || state.by === "advantage";
  const top = () => (state.by === "score" ? 1 : state.by === "advantage" ? group.scales.advantage : group.scales[state.by][0]);
  const drawColours = () => {
    const value = VALUES[state.by], most = top(), two = diverging();
    ribbon.colour((at) => { const own = value(at); return { colour: two ? (own < 0 ? "low" : "high") : "more", strength: Number.isNaN(own) || most <= 0 ? 0 : Math.abs(own) / most, line: current.clipped[at] === 1, bare: Number.isNaN(own) }; });
    const highest = two ? null : group.scales[state.by][1];
    fill(legend, el("span", { class: "st-ramp-key" }, el("span", {}, two ? num(-most) : "0"), el("i", { class: `st-ramp st-ramp-${two ? "two" : "one"}` }), two ? el("span", { class: "st-only-readers" }, " to ") : null, el("span", {}, two ? num(most) : small(most))),
      el("span", { class: "st-dim" }, state.by === "score" ? "score of the token's step" : state.by === "advantage" ? (most ? "advantage of the token; the ends are the largest of this group" : "every advantage of this group is 0") : highest > 0 ? `99 % of this group's tokens lie below ${small(most)}, the highest is ${small(highest)}` : state.by === "kl" ? "no KL was computed: the run has no reference model, or nothing has moved yet" : "no entropy was kept"),
      el("span", { class: "st-bare-key" }, state.by === "score" ? "in no scored step" : "no value"), el("span", { class: "st-clipped-key" }, "clipped"), el("span", { class: "st-dim" }, `${many(current.figures.clipped, "token")}`));
    for (const button of toolbar.querySelectorAll("[data-by]")) button.setAttribute("aria-pressed", button.dataset.by === state.by);
  };
  const fact = (name, value) => [el("dt", {}, name), el("dd", {}, value)];
  const tellToken = (at) => {
    if (at === null || at < 0) {
      const own = current.figures;
      fill(token, el("p", { class: "st-dim" }, "Point at the text, or put the focus on it and walk with ", el("kbd", {}, "←"), " ", el("kbd", {}, "→"), ". The whole response:"),
        el("dl", { class: "st-facts st-token-facts" }, fact("steps", `${own.steps}, ${own.scored} scored`), fact("mean score", num(own.score)), fact("mean advantage", num(own.advantage, 3)), fact("mean KL", small(own.kl)), fact("mean entropy", num(own.entropy, 3))));
      return;
    }
    const words = current.text.slice(at ? current.ends[at - 1] : 0, current.ends[at]), step = current.index[at];
    fill(token, el("p", {}, words ? el("code", { class: "st-token-word" }, words.replace(/\n/g, "↵").replace(/ /g, "␣")) : el("span", { class: "st-dim" }, "no text of its own"), el("span", { class: "st-dim" }, ` ${(at + 1).toLocaleString("en")} of ${current.ends.length.toLocaleString("en")}, id ${current.ids[at]}`)),
      el("dl", { class: "st-facts st-token-facts" }, fact("step", step < 0 ? "none" : String(step + 1)), fact("score", num(stepScore(step))), fact("advantage", num(current.advantage[at], 3)), fact("KL", small(current.kl[at])), fact("entropy", num(current.entropy[at], 3)), current.clipped[at] ? fact("clipped", "yes: outside the trust region") : null));
  };
  const said = (step) => (step.critique ? el("p", { class: "st-verbatim" }, step.critique) : el("p", { class: "st-dim" }, "No critique was kept."));
  const tellStep = (place) => {
    const step = place === null ? null : current.steps[place];
    if (!step) { fill(critique, el("p", { class: "st-dim" }, current.truncated ? "A truncated response has no steps." : current.steps.length ? "Choose a step above, or point at one in the text." : "No step was found in this response.")); return; }
    fill(critique, el("p", { "data-step": place }, el("b", {}, `Step ${place + 1} `), chip(step.score), el("span", { class: "st-dim" }, ` mean advantage ${signed(step.advantage)}, ${many(step.tokens, "token")}`)), step.score === null ? el("p", { class: "st-bad-text" }, `Not scored: ${step.reason || "no reason was kept."}`) : null, said(step));
  };
  const toStep = (place, show = true) => {
    state.step = place;
    keep();
    ribbon.step(place === null ? -1 : place, show);
    tellStep(place);
    for (const button of strip.children) button.setAttribute("aria-pressed", Number(button.dataset.at) === place);
  };
  const hint = (button, words) => {
    const on = () => tip(button, words), off = () => { tipBox.hidden = true; };
    button.addEventListener("mouseenter", on); button.addEventListener("focus", on); button.addEventListener("mouseleave", off); button.addEventListener("blur", off);
    return button;
  };
  const tipBox = el("div", { class: "st-tip", role: "tooltip", id: "st-tip", hidden: true });
  element.querySelector(".st-page").append(tipBox);
  const tip = (button, words) => {
    tipBox.textContent = words.length > 700 ? `${words.slice(0, 699)}…` : words;
    tipBox.hidden = false;
    button.setAttribute("aria-describedby", "st-tip");
    const place = button.getBoundingClientRect(), own = tipBox.getBoundingClientRect();
    tipBox.style.left = `${Math.max(8, Math.min(place.left, innerWidth - own.width - 8))}px`;
    tipBox.style.top = `${place.bottom + own.height + 10 < innerHeight ? place.bottom + 6 : Math.max(8, place.top - own.height - 6)}px`;
  };
  const critiqueOf = (step, place) => (step.score === null ? `Step ${place + 1} was not scored: ${step.reason || "no reason was kept."}` : step.critique || "No critique was kept.");
  const drawResponse = () => {
    for (const button of toolbar.querySelectorAll("[data-response]")) button.setAttribute("aria-pressed", Number(button.dataset.response) === current.response);
    fill(strip, current.steps.map((step, place) => hint(el("button", { class: "st-button st-step-button", type: "button", "data-at": place, "aria-pressed": "false", onclick: () => toStep(place), onfocus: () => tellStep(place) }, `Step ${place + 1}`, chip(step.score)), critiqueOf(step, place))));
    ribbon.take(current.text, current.ends, current.steps);
    ribbon.frame.setAttribute("aria-label", `Text of response ${current.response + 1}, ${many(current.ends.length, "token")}; the left and right arrow keys walk them`);
    drawColours();
    tellToken(null);
    toStep(state.step !== null && current.steps[state.step] ? state.step : null);
  };
  const toResponse = (number, step = null, into = false) => {
    current = group.responses.find((one) => one.response === number) || group.responses[0];
    state.response = current.response;
    state.step = step;
    keep();
    drawResponse();
    if (into) { tipBox.hidden = true; find("st-ribbon-title").scrollIntoView({ block: "start" }); ribbon.frame.focus({ preventScroll: true }); }
  };
  const besides = (by) => { if (!group) return; const at = group.responses.indexOf(current), next = group.responses[at + by]; if (next) toResponse(next.response); };
  const stepBy = (by) => { if (!group || !current.steps.length) return; const at = state.step === null ? (by > 0 ? -1 : current.steps.length) : state.step; toStep(Math.max(0, Math.min(current.steps.length - 1, at + by))); };
  Subtext.keys({ "[": ["response before", () => besides(-1)], "]": ["next response", () => besides(1)], k: ["step before", () => stepBy(-1)], j: ["next step", () => stepBy(1)], Escape: ["hide the critique", () => { tipBox.hidden = true; }], ...Object.fromEntries(COLOURS.map(([name, label], place) => [String(place + 1), [`colour by ${label === "KL" ? label : label.toLowerCase()}`, () => { if (group) { state.by = name; keep(); drawColours(); } }]])) });

  // The responses of the group beside each other, step by step.
  const MARKER = /^[ \t*#]{0,9}step[ \t]{1,9}\d{1,4}[ \t*]{0,9}:[ \t*]{0,9}/i;
  const aligned = () => {
    const most = Math.max(0, ...group.responses.map((one) => one.steps.length));
    const outside = (one) => {
      let words = "";
      for (let at = 0; at < one.ends.length && words.length < 120; at += 1) if (one.index[at] < 0) words += one.text.slice(at ? one.ends[at - 1] : 0, one.ends[at]);
      return words.trim();
    };
    const short = (words) => { const line = words.slice(0, 600).replace(/\s+/g, " ").trim(); return line.length > 130 ? `${line.slice(0, 129)}…` : line; };
    const cell = (one, place) => {
      const step = one.steps[place];
      if (!step) return el("td", { class: "st-dim" }, one.truncated && !place ? "truncated" : "–");
      return el("td", {}, hint(el("button", { class: "st-aligned-cell", type: "button", "data-cell": `${one.response}/${place}`, onclick: () => toResponse(one.response, place, true) }, el("span", { class: "st-aligned-head" }, chip(step.score), el("span", { class: "st-dim" }, `A ${signed(step.advantage)}`)), el("span", {}, short(one.text.slice(step.start, step.end).replace(MARKER, "")))), critiqueOf(step, place)));
    };
    const middle = (place) => { const own = group.responses.map((one) => one.steps[place]?.score).filter((value) => value !== null && value !== undefined); return own.length ? own.reduce((sum, value) => sum + value, 0) / own.length : null; };
    fill(find("st-aligned"), el("p", { class: "st-dim" }, "Each column is a response, each row the steps at the same place. A is the mean advantage of a step's tokens. Point at a step for its critique; press it to see it in the text."),
      scroll("Responses by step", el("table", { class: "st-table st-aligned" }, el("caption", { class: "st-only-readers" }, "The responses of the group, step by step"),
        el("thead", {}, el("tr", {}, el("td", {}), group.responses.map((one) => el("th", { scope: "col" }, link({ response: one.response, step: null }, () => toResponse(one.response, null, true), {}, `Response ${one.response + 1}`), " ", chip(one.figures.score), el("span", { class: "st-dim" }, `${many(one.figures.tokens, "token")}${one.truncated ? ", truncated" : ""}${one.format === 0 && !one.truncated ? ", malformed" : ""}`))))),
        el("tbody", {}, Array.from({ length: most }, (_, place) => el("tr", { "data-row": place }, el("th", { scope: "row" }, `Step ${place + 1}`, el("span", { class: "st-dim" }, `mean ${score(middle(place))}`)), group.responses.map((one) => cell(one, place)))),
          el("tr", { "data-row": "outside" }, el("th", { scope: "row" }, "In no step"), group.responses.map((one) => el("td", {}, one.figures.outside ? [el("b", {}, many(one.figures.outside, "token")), ` of ${one.figures.tokens.toLocaleString("en")} `, el("span", { class: "st-dim" }, short(outside(one)))] : el("span", { class: "st-dim" }, "none"))))))));
  };

  const where = (one) => (one.response === null ? "The group" : `Response ${one.response + 1}${one.step === null ? "" : `, step ${one.step + 1}`}`);
  const listed = () => {
    fill(find("st-found"), group.kinds.length ? group.kinds.map((kind) => {
      const own = group.findings.filter((one) => one.kind === kind.kind);
      return el("details", { class: "st-finding", "data-kind": kind.kind, open: own.length < 9 }, el("summary", {}, el("span", { class: "st-tag st-level-warning" }, own.length), ` ${kind.title}`), el("p", { class: "st-dim" }, kind.meaning),
        el("ul", {}, own.slice(0, 200).map((one) => el("li", {}, one.response === null ? null : [link({ response: one.response, step: one.step }, () => toResponse(one.response, one.step, true), { "data-finding": `${one.kind}/${one.response}` }, where(one)), ": "], one.sentence))));
    }) : el("p", {}, "Nothing odd in this group."));
  };

  // The same prompt in another update.
  const measures = [["Mean score", (one) => chip(one.score)], ["Responses", (one) => one.responses], ["Truncated", (one) => one.truncated], ["Tokens", (one) => Math.round(one.tokens).toLocaleString("en")], ["Steps", (one) => num(one.steps, 1)], ["KL", (one) => small(one.kl)], ["Entropy", (one) => num(one.entropy, 3)], ["Findings", (one) => el("span", {}, tags(one.findings))]];
  const against = guarded(async () => {
    const mine = turn, box = find("st-against"), here = `/api/rollouts/${state.job}/${state.update}/${state.group}`;
    fill(box, el("p", { class: "st-dim" }, "Looking for the prompt in the other updates…"));
    const others = (await api(`${here}/updates`)).filter((one) => one.update !== state.update);
    if (mine !== turn) return;
    if (!others.length) { fill(box, el("p", { class: "st-dim", id: "st-only-here" }, "No other update of this run kept responses to this prompt.")); return; }
    const result = el("div", { id: "st-compared", role: "status" });
    const which = el("select", { id: "st-other", onchange: () => compare(Number(which.value)) }, others.map((one) => el("option", { value: one.update }, `update ${one.update}`)));
    const compare = guarded(async (number) => {
      const other = others.find((one) => one.update === number) || others[0];
      state.other = other.update;
      which.value = other.update;
      keep();
      const found = await api(`${here}/against?other=${other.update}&other_group=${other.group}`);
      if (mine !== turn || state.other !== other.update) return;
      drawCompared(result, found);
    });
    fill(box, el("label", {}, `Update ${state.update} beside`, " ", which), result);
    await compare(state.other === null ? others[0].update : state.other);
  });
  const drawCompared = (result, found) => {
    const [one, two] = found.sides.slice().sort((a, b) => a.best.update - b.best.update), turned = found.sides[0] !== one;
    const names = turned ? { same: "same", gone: "new", new: "gone" } : { same: "same", gone: "gone", new: "new" };
    const open = (side) => link({ update: side.best.update, group: side.best.group, response: side.best.response, step: null, other: null }, () => { Object.assign(state, { group: side.best.group, response: side.best.response, step: null }); return toUpdate(side.best.update, true); }, {}, `response ${side.best.response + 1} of update ${side.best.update}`);
    // In the order of time: what the newer response lacks comes before what it adds.
    const pieces = [];
    for (const piece of found.diff) { const what = names[piece.what], last = pieces.at(-1); if (what === "gone" && last && last.what === "new") pieces.splice(-1, 0, { what, text: piece.text }); else pieces.push({ what, text: piece.text }); }
    fill(result, scroll("Both updates in numbers", el("table", { class: "st-table st-compared" }, el("thead", {}, el("tr", {}, el("td", {}), [one, two].map((side) => el("th", { scope: "col" }, `Update ${side.best.update}`)))), el("tbody", {}, measures.map(([name, cell]) => el("tr", {}, el("th", { scope: "row" }, name), [one, two].map((side) => el("td", {}, cell(side)))))))),
      el("h3", {}, "Best responses"), el("p", { class: "st-dim" }, "From ", open(one), " (", num(one.best.score), ") to ", open(two), " (", num(two.best.score), "); struck words went, underlined words came."),
      found.equal ? el("p", {}, "Both are the same text.") : el("p", { class: "st-verbatim st-diff", id: "st-best-diff" }, pieces.map((piece) => [el({ same: "span", gone: "del", new: "ins" }[piece.what], {}, piece.text), " "])));
  };

  const toGroup = guarded(async (number, quiet) => {
    const mine = (turn += 1);
    const found = await api(`/api/rollouts/${state.job}/${state.update}/${number}`);
    if (mine !== turn) return;
    if (!quiet) Object.assign(state, { response: null, step: null, other: null });
    state.group = number;
    group = { ...found, responses: found.responses.map(opened) };
    for (const row of element.querySelectorAll("[data-group]")) { if (Number(row.dataset.group) === number) row.setAttribute("aria-current", "true"); else row.removeAttribute("aria-current"); }
    find("st-rollout-group").hidden = false;
    fill(asking, problems(group.problems), el("p", { class: "st-preference st-verbatim" }, group.preference), el("p", { class: "st-query st-verbatim" }, group.query), el("details", {}, el("summary", {}, "The whole prompt"), el("pre", { class: "st-raw", tabindex: "0" }, group.prompt)));
    const flags = (one) => group.findings.filter((two) => two.response === one.response).length;
    fill(toolbar, el("span", { class: "st-responses", role: "group", "aria-label": "Response" }, group.responses.map((one) => el("button", { class: "st-button", type: "button", "data-response": one.response, onclick: () => toResponse(one.response) }, `Response ${one.response + 1}`, chip(one.figures.score), flags(one) ? el("span", { class: "st-tag st-level-warning", title: many(flags(one), "finding") }, flags(one)) : null))),
      el("span", { class: "st-switch", role: "group", "aria-label": "Colour by" }, COLOURS.map(([name, label]) => el("button", { class: "st-button", type: "button", "data-by": name, onclick: () => { state.by = name; keep(); drawColours(); } }, label))));
    if (group.left_out) toolbar.append(el("span", { class: "st-dim" }, `${many(group.left_out, "more response")} not shown`));
    toResponse(state.response === null ? group.responses[0].response : state.response, state.step);
    listed();
    aligned();
    against();
  });
  const toUpdate = guarded(async (number, quiet) => {
    const found = await api(`/api/rollouts/${state.job}/${number}`);
    state.update = number;
    update = found;
    if (!quiet) Object.assign(state, { response: null, step: null, other: null });
    choice();
    groups();
    const known = update.groups.some((one) => one.group === state.group) ? state.group : update.groups[0]?.group;
    if (known === undefined) { turn += 1; group = null; state.group = null; keep(); find("st-rollout-group").hidden = true; return; }
    await toGroup(known, quiet && known === state.group);
  });
  const toRun = guarded(async (number, quiet) => {
    run = await api(`/api/rollouts/${number}`);
    state.job = number;
    if (!quiet) Object.assign(state, { update: null, group: null, response: null, step: null, other: null });
    choice();
    find("st-rollout-group").hidden = true;
    if (!run.updates.length) { fill(find("st-rollout-groups"), el("p", { class: "st-dim" }, "This run has not kept the responses of an update yet.")); keep(); return; }
    await toUpdate(run.updates.includes(state.update) ? state.update : run.updates.at(-1), quiet && (state.update === null || run.updates.includes(state.update)));
  });

  ({ runs } = await api("/api/rollouts"));
  if (!runs.length) { fill(find("st-rollout-choice"), el("p", { class: "st-dim", id: "st-no-runs" }, "No run has kept rollouts yet. A policy that is trained here keeps what it sampled, and it can be read here while it runs.")); return; }
  choice();
  await toRun(state.job === null ? runs[0].job : state.job, true);
});
