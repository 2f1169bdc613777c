// Respond: preference and query, two models or methods side by side, a conversation that goes on, and what an edited preference changes.
Subtext.respond_page = (element) => Subtext.page(element, "Respond", async () => {
  const { el, api, fill, guarded } = Subtext;
  const find = (id) => element.querySelector(`#${id}`);
  const form = await api("/api/respond"), asked = new URLSearchParams(location.search);
  const area = (id, rows, text) => el("textarea", { id: `st-${id}`, rows, maxlength: form.longest, placeholder: text, required: true, dir: "auto" });
  const preference = area("preference", 2, "I don't share my live location."), query = area("query", 2, "I'm hiking alone this weekend. What should I plan?");
  const select = (id, options, value) => { const made = el("select", { id: `st-${id}` }, options.map((one) => el("option", { value: one.value }, one.label))); if (options.some((one) => one.value === value)) made.value = value; return made; };
  const field = (label, control, hint) => el("label", {}, label, control, hint ? el("span", { class: "st-dim" }, hint) : null);
  const sides = [Subtext.side(0, form.rubric, form.free), Subtext.side(1, form.rubric, form.free)];
  const models = [select("model-0", form.models, asked.get("model")), select("model-1", form.models, asked.get("other"))];
  const methods = [select("method-0", form.methods, asked.get("method") || "step_by_step"), select("method-1", form.methods, "zero_shot")];
  const critic = select("critic", form.critics, asked.get("critic")), both = el("input", { type: "checkbox", id: "st-both", checked: true, onchange: () => drawSides() });
  const number = (id, value, low, high, step) => el("input", { id: `st-${id}`, type: "number", value, min: low, max: high, step });
  const longest = number("max-new", Math.min(512, form.most_new), 1, form.most_new, 1), warmth = number("temperature", 0, 0, 2, "any"), seed = number("seed", 1, 0, 2147483647, 1);
  const go = el("button", { class: "st-button st-primary", id: "st-respond" }, "Respond"), stop = el("button", { class: "st-button", type: "button", id: "st-stop", hidden: true, onclick: () => sides.forEach((side) => side.stop()) }, "Stop");
  // Of each side: `turns` asked and answered so far, `base` the response that stands with the `query` it answers, both from before an edit.
  // `used` is the preference of the talk, and how each side is asked, as it was when the talk began.
  let drawn = Math.floor(Math.random() * 1000), talk = [], used = null, kind = "other", working = false;
  const numbers = { paraphrase: [null, null], reverse: [null, null] };
  const active = () => (both.checked ? [0, 1] : [0]);
  const model = (place) => (models[place].selectedOptions[0]?.textContent || "").replace(/^as the settings say \((.*)\)$/, "$1");
  const label = (place) => [form.free ? model(place) : "", methods[place].selectedOptions[0].textContent].filter(Boolean).join(" · ");
  const drawSides = () => { if (talk.length) return; sides.forEach((side, place) => { side.box.hidden = !active().includes(place); side.name(label(place)); }); find("st-sides").dataset.count = active().length; };
  const how = (place) => ({ label: label(place), method: methods[place].value, policy: form.free ? models[place].value : "", critic: form.free ? critic.value : "", max_new: Number(longest.value), temperature: Number(warmth.value), seed: Number(seed.value) });
  const busy = (on) => { working = on; for (const one of [go, again, on_go]) one.disabled = on; stop.hidden = !on; };
  // All sides write at once; what each came to, null for one that was stopped or failed.
  const write = async (text, turns, show) => {
    busy(true);
    try { return await Promise.all(talk.map((own, place) => { const { label: _, ...rest } = used.how[place], [before, ask] = turns(own); return sides[place].write({ ...rest, preference: text, query: ask, before }, show); })); } finally { busy(false); }
  };
  const fine = (made) => Boolean(made) && made.answer !== null;

  const begin = guarded(async () => {
    if (working) return;
    talk = [];
    sides.forEach((side) => side.clear());
    drawSides();
    talk = active().map(() => ({ turns: [], query: query.value, base: null }));
    used = { preference: preference.value, how: active().map(how) };
    numbers.paraphrase = [null, null]; numbers.reverse = [null, null];
    fill(kept);
    find("st-edit").hidden = find("st-on").hidden = true;
    const made = await write(used.preference, (own) => [own.turns, own.query], "");
    made.forEach((one, place) => { if (fine(one)) talk[place].base = one; });
    if (made.some(fine)) drawEdit();
  });
  const example = guarded(async () => { const found = await api(`/api/respond/example?seed=${drawn++}`); [preference.value, query.value] = [found.preference, found.query]; });

  // The preference edited: the same query once more, beside what it was.
  const edited = area("edited", 2, ""), again = el("button", { class: "st-button st-primary", type: "button", id: "st-again", onclick: () => rerun() }, "Respond again");
  const KINDS = [["other", "another preference"], ["paraphrase", "the same in other words"], ["reverse", "the reverse"]];
  const which = el("select", { id: "st-kind", onchange: () => { kind = which.value; } }, KINDS.map(([value, text]) => el("option", { value }, text)));
  const suggest = (name) => guarded(async () => { const found = await api(`/api/respond/rewordings?preference=${encodeURIComponent(used.preference.slice(0, 2000))}`); edited.value = found[name]; which.value = kind = name; });
  const measured = el("div", { id: "st-numbers", role: "status" }), share = (value) => (value === null ? "–" : value.toFixed(2));
  const drawNumbers = () => fill(measured, el("div", { class: "st-scroll", tabindex: "0", role: "region", "aria-label": "Numbers of the edit" }, el("table", { class: "st-table" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Number"), used.how.map((own) => el("th", { scope: "col", class: "st-number" }, own.label)))),
    el("tbody", {}, [["Invariance under paraphrase", numbers.paraphrase], ["Sensitivity under reversal", numbers.reverse]].map(([name, values]) => el("tr", {}, el("th", { scope: "row" }, name), used.how.map((_, place) => el("td", { class: "st-number" }, share(values[place])))))))),
  el("p", { class: "st-dim" }, "Invariance: the share of words that the answers before and after have in common (1: the same words). Sensitivity: 1 less that share (0: the reverse preference changes nothing). They see words, not meaning, and are of this one example."));
  const drawEdit = () => {
    edited.value = used.preference; which.value = kind = "other";
    drawNumbers();
    find("st-edit").hidden = find("st-on").hidden = false;
    next.value = "";
  };
  const rerun = guarded(async () => {
    if (working) return;
    const text = edited.value, own = kind, made = await write(text, (one) => [one.turns, one.query], "");
    for (const [place, { base }] of talk.entries()) {
      const after = made[place];
      if (!base || !fine(after)) continue;
      const change = await api("/api/respond/change", { before: base.steps, after: after.steps, answers: [base.answer, after.answer] });
      sides[place].compared(base, after, change);
      if (own !== "other") numbers[own][place] = own === "paraphrase" ? change.alike : 1 - change.alike;
    }
    drawNumbers();
    find("st-edit").dataset.done = own;
  });

  // The conversation goes on under the same preference.
  const next = area("next", 2, "And if it rains?"), on_go = el("button", { class: "st-button st-primary", type: "button", id: "st-on-go", onclick: () => goOn() }, "Ask");
  // What was answered is folded away; a side whose answer is missing is asked without it. A turn counts once its answer is there.
  const goOn = guarded(async () => {
    if (working) return;
    const ask = next.value;
    if (!ask.trim()) { Subtext.toast("Ask something first."); return; }
    talk.forEach((own, place) => { if (own.base) { sides[place].fold(own.query, own.base); own.turns.push([own.query, own.base.answer]); own.base = null; } own.query = ask; });
    numbers.paraphrase = [null, null]; numbers.reverse = [null, null];
    const made = await write(used.preference, (own) => [own.turns, own.query], ask);
    made.forEach((one, place) => { if (fine(one)) talk[place].base = one; });
    if (made.some(fine)) drawEdit();
  });
  const turns = (own) => [...own.turns, ...(own.base ? [[own.query, own.base.answer]] : [])];
  const talks = () => talk.map((own, place) => ({ preference: used.preference, model: used.how[place].label, turns: turns(own) })).filter((one) => one.turns.length);
  const save = guarded(async () => { const found = await api("/api/respond/keep", { name: "", talks: talks() }); fill(kept, "Kept as a set of dialogues: ", el("a", { href: `/data?set=${found.set}` }, `set ${found.set}`), ". ", el("a", { href: "/studies" }, "Plan a rating study"), "."); });
  const download = () => {
    const told = { preference: used.preference, sides: talk.map((own, place) => ({ ...used.how[place], model: own.base?.model, turns: turns(own), steps: own.base?.steps, scores: own.base?.scores, response: own.base?.text })), numbers };
    const link = el("a", { href: URL.createObjectURL(new Blob([JSON.stringify(told, null, 1)], { type: "application/json" })), download: "responses.json" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const kept = el("p", { id: "st-kept", role: "status" });

  fill(find("st-ask"), el("form", { class: "st-build", onsubmit: (event) => { event.preventDefault(); begin(); } }, field("Preference", preference), field("Query", query),
    el("div", { class: "st-respond-row" }, form.free ? field("Left: model", models[0]) : null, field(form.free ? "Left: way of prompting" : "Left", methods[0]), form.free ? field("Right: model", models[1]) : null, field(form.free ? "Right: way of prompting" : "Right", methods[1]), el("label", { class: "st-check" }, both, el("span", {}, "Side by side"))),
    form.free ? el("details", { id: "st-settings" }, el("summary", {}, "Settings"), el("div", { class: "st-respond-row" }, field("Critic", critic), field("Tokens at most", longest), field("Temperature", warmth, "0: the likeliest words"), field("Seed", seed))) : null,
    el("div", { class: "st-actions" }, go, stop, el("button", { class: "st-button", type: "button", id: "st-example", onclick: example }, "Use an example"))));
  fill(find("st-edit-form"), el("div", { class: "st-build" }, field("Edited preference", edited), el("div", { class: "st-respond-row" }, field("It says", which)), el("div", { class: "st-actions" }, again, el("button", { class: "st-button", type: "button", id: "st-suggest-paraphrase", onclick: suggest("paraphrase") }, "Say it in other words"), el("button", { class: "st-button", type: "button", id: "st-suggest-reverse", onclick: suggest("reverse") }, "Turn it round")), measured));
  fill(find("st-on-form"), el("div", { class: "st-build" }, field("Your next message", next, "the preference is kept"), el("div", { class: "st-actions" }, on_go, form.free ? el("button", { class: "st-button", type: "button", id: "st-keep", onclick: save }, "Keep as dialogues") : null, el("button", { class: "st-button", type: "button", id: "st-export", onclick: download }, "Export as JSON")), kept));
  find("st-sides").append(...sides.map((side) => side.box));
  for (const one of [...models, ...methods]) one.addEventListener("change", drawSides);
  if (asked.get("preference")) [preference.value, query.value] = [asked.get("preference"), asked.get("query") || ""];
  drawSides();
  Subtext.keys({ e: ["use an example", example], r: ["respond", begin], s: ["stop", () => sides.forEach((side) => side.stop())] });
});
