// Checks: one critique at a time; 1 agree, 2 partly, 3 wrong, s score, e edit; every act is sent at once under an id of its own.
Subtext.checks = (element) => Subtext.page(element, "Checks", async () => {
  const { el, api, fill, guarded, many, score, shade } = Subtext;
  const find = (id) => element.querySelector(`#${id}`);
  const box = find("st-check-item"), KEPT = "subtext-checks-pending", WORDS = { agree: "Agree", partly: "Partly", wrong: "Wrong" };
  const asked = new URLSearchParams(location.search);
  const trail = []; // what can be undone: [{item, before}]
  let items = [], at = 0, item = null, rubric = [], seed = Math.floor(Math.random() * 2 ** 31), update = () => {}, timer = null, flushing = false;

  // What is not acknowledged yet stays in this browser, and goes out in order; the server knows a resend by its id.
  let pending = [];
  try { pending = JSON.parse(localStorage.getItem(KEPT)) || []; } catch { pending = []; }
  const keep = () => { localStorage.setItem(KEPT, JSON.stringify(pending)); };
  const say = (text) => { find("st-check-state").textContent = text; };
  const flush = async () => {
    if (flushing) return;
    flushing = true;
    while (pending.length) {
      say("saving…");
      let answer;
      try { answer = await fetch("/api/checks", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(pending[0]) }); } catch { answer = null; }
      if (!answer || answer.status >= 500) { say("The server does not answer; the check is kept in this browser and sent again."); setTimeout(() => { flush(); }, 2000); break; }
      if (answer.status === 401) { location.href = `/sign-in?next=${encodeURIComponent(location.pathname)}`; break; }
      const data = await answer.json().catch(() => ({})), sent = pending.shift();
      keep();
      if (!answer.ok) { say(""); Subtext.toast(data.error || "The server refused a check.", "st-bad"); continue; }
      for (const one of [item, ...items]) if (one && one.tree === sent.tree && one.key === sent.node && one.last === sent.client_id) one.answer = sent.verdict ? data : null;
      if (!pending.length) say(sent.verdict ? "Saved." : "Taken back.");
    }
    flushing = false;
    update();
    clearTimeout(timer);
    timer = setTimeout(guarded(() => Promise.all([showReport(), showList()])), 400);
  };
  const send = (one) => {
    one.last = crypto.randomUUID();
    const said = one.mine || { verdict: "", score: null, critique: null, reason: "" };
    pending.push({ tree: one.tree, node: one.key, digest: one.digest, client_id: one.last, verdict: said.verdict, score: said.score, critique: said.critique, reason: said.reason });
    keep();
    flush();
  };
  const judge = (patch) => {
    if (!item) return;
    const before = item.mine;
    item.mine = { verdict: "partly", score: null, critique: null, reason: "", ...before, ...patch };
    if (before && JSON.stringify(before) === JSON.stringify(item.mine)) return;
    trail.push({ item, before });
    update();
    send(item);
  };
  const undo = () => {
    const step = trail.pop();
    if (!step) return Subtext.toast("There is nothing to undo.");
    item = step.item;
    item.mine = step.before;
    if (items.includes(item)) at = items.indexOf(item);
    draw();
    send(item);
  };

  const labelView = (source, verdict, value, critique, more) => el("div", { class: "st-part" },
    el("h3", {}, source), verdict ? el("p", {}, el("b", {}, verdict)) : null,
    el("p", {}, el("b", { class: "st-chip", "data-shade": shade(value) }, score(value)), value === null ? " no score" : ` ${bandOf(value)}`), critique, more);
  const bandOf = (value) => {
    const key = value < 0 ? (value < -0.695 ? 0 : value < -0.395 ? 1 : 2) : rubric.reduce((found, band, index) => (band.low >= 0 && band.low <= value + 1e-9 ? index : found), 3);
    return rubric[key] ? rubric[key].label : "";
  };
  const diffView = (diff) => el("p", { class: "st-verbatim st-diff" }, diff.map(([what, words]) => [
    what === "same" ? words : el(what === "gone" ? "del" : "ins", {}, words), " "]));
  const field = (label, control, hint) => el("label", {}, label, control, hint ? el("span", { class: "st-dim" }, hint) : null);

  const draw = () => {
    if (!item) { update = () => {}; return fill(box, el("p", { class: "st-dim" }, "There is nothing to check: no tree holds a critique that you have not judged. Import or build trees first.")); }
    const one = item, ai = one.ai;
    const verdicts = ["agree", "partly", "wrong"].map((name, index) => el("button", { class: "st-level", type: "button", "data-verdict": name, "aria-keyshortcuts": String(index + 1), onclick: () => judge({ verdict: name }) }, el("b", {}, index + 1), ` ${WORDS[name]}`));
    const number = el("input", { id: "st-check-score", type: "number", min: -1, max: 1, step: 0.01, onchange: () => {
      const value = number.value === "" ? null : Number(number.value);
      if (value !== null && !(value >= -1 && value <= 1)) return Subtext.toast("A score lies between −1 and 1.", "st-bad");
      judge({ score: value });
    }, onkeydown: (event) => { if (event.key === "Enter") number.blur(); } });
    const area = el("textarea", { id: "st-check-critique", rows: 6, maxlength: 8000, onchange: () => judge({ critique: area.value.trim() === "" || area.value === ai.critique ? null : area.value }) });
    const reason = el("input", { id: "st-check-reason", maxlength: 2000, onchange: () => judge({ reason: reason.value }), onkeydown: (event) => { if (event.key === "Enter") reason.blur(); } });
    const people = el("div", { id: "st-check-people" });
    update = () => {
      if (item !== one) return;
      const mine = one.mine;
      for (const button of verdicts) button.setAttribute("aria-pressed", String(Boolean(mine) && mine.verdict === button.dataset.verdict));
      for (const [control, value] of [[number, mine && mine.score !== null ? String(mine.score) : ""], [area, (mine && mine.critique) || ai.critique], [reason, (mine && mine.reason) || ""]])
        if (document.activeElement !== control) control.value = value;
      const answer = one.answer, others = one.held.filter((check) => !check.mine);
      const view = (check, who) => labelView(`${who} · person, verified`, WORDS[check.verdict], check.label.score, check.critique === null ? null : diffView(check.diff), check.reason ? el("p", {}, `Reason: ${check.reason}`) : null);
      fill(people, answer ? view(answer, "You") : el("p", { class: "st-dim" }, mine ? "Not saved yet." : "You have not judged this critique."), others.map((check) => view(check, check.who)));
    };
    fill(box,
      el("div", { class: "st-columns st-check-sides" },
        el("div", {},
          el("h3", {}, "Preference"), el("p", { class: "st-verbatim" }, one.preference), el("h3", {}, "Query"), el("p", { class: "st-verbatim" }, one.query),
          one.before.length ? el("details", {}, el("summary", {}, many(one.before.length, "step"), " before"), el("ol", {}, one.before.map((text) => el("li", { class: "st-verbatim" }, text)))) : null,
          el("h3", {}, one.kind === "answer" ? "Answer to judge" : `Step to judge${one.persona ? ` (the ${one.persona})` : ""}, level ${one.depth}`), el("p", { class: "st-verbatim", id: "st-check-step" }, one.step),
          one.scenario ? el("p", {}, el("a", { href: `/trees?scenario=${one.scenario}&node=${encodeURIComponent(one.key)}` }, "Open in its tree")) : null),
        el("div", {},
          labelView("Critic · model", null, ai.score, el("p", { class: "st-verbatim", id: "st-check-ai" }, ai.critique)),
          one.probability === null ? null : el("p", { class: "st-note", id: "st-check-why" }, `Expected chance that people do not agree: ${Math.round(one.probability * 100)} %. `,
            one.reasons.map((part) => `${part.weight > 0 ? "Raised" : "Lowered"} because ${part.text}. `)),
          people)),
      el("div", { class: "st-rating st-check-verdicts", role: "group", "aria-label": "Is the critique right?" }, verdicts),
      el("div", { class: "st-form st-upright" },
        field("Corrected score (s)", number, "from −1 to 1; left empty, the critic's stands unless the critique is wrong"),
        field("Critique, corrected where it is wrong (e)", area),
        field("Reason (r)", reason)),
      el("div", { class: "st-actions" },
        el("button", { class: "st-button st-primary", id: "st-check-next", type: "button", "aria-keyshortcuts": "n", onclick: () => next() }, "Next"),
        el("button", { class: "st-button", id: "st-check-undo", type: "button", "aria-keyshortcuts": "u", onclick: undo }, "Undo")));
    update();
  };

  const settle = () => { if (box.contains(document.activeElement)) document.activeElement.blur(); };
  const load = async () => {
    seed = (seed + 1) % 2 ** 31;
    const found = await api(`/api/checks/queue?seed=${seed}`);
    items = found.items.map((one) => ({ ...one, mine: null, answer: null }));
    at = 0;
    item = items[0] || null;
    rubric = found.rubric;
    find("st-check-how").textContent = `${found.how} Chosen from ${many(found.looked_at, "step")} of trees drawn by chance; ${many(found.checks, "check")} so far.`;
    return found;
  };
  const next = guarded(async () => {
    settle();
    if (at + 1 < items.length) { at += 1; item = items[at]; } else { if (pending.length) return Subtext.toast("The last check is still being saved."); await load(); }
    draw();
  });
  const open = guarded(async (tree, key) => {
    settle();
    const found = await api(`/api/checks/step?tree=${tree}&node=${encodeURIComponent(key)}`);
    const own = found.held.find((check) => check.mine);
    item = { ...found, mine: own ? { verdict: own.verdict, score: own.score, critique: own.critique, reason: own.reason } : null, answer: own || null };
    draw();
    find("st-check").scrollIntoView();
  });

  const percent = (value) => (value === null ? "–" : `${Math.round(value * 100)} %`);
  const span = (pair, show) => (pair[0] === null ? "" : ` [${show(pair[0])}, ${show(pair[1])}]`);
  const showReport = async () => {
    const found = await api("/api/checks/report"), body = find("st-agreement-body");
    if (!found.overall.checks) return fill(body, el("p", { class: "st-dim" }, "No checks yet. What people and the critic agree on appears here after the first one."));
    const line = (one, label) => el("tr", {}, el("th", { scope: "row" }, label),
      [String(one.checks), percent(one.agree) + span(one.wilson, percent), span(one.agree_drawn, percent).trim() || "–", String(one.scored), score(one.mae) + span(one.mae_drawn, score), score(one.bias) + span(one.bias_drawn, score), score(one.kappa) + span(one.kappa_drawn, score)]
        .map((text) => el("td", { class: "st-number" }, text)));
    const heads = ["", "Checks", "Agree [Wilson 95 %]", "95 % over scenarios", "With both scores", "Mean error", "Bias (critic − people)", "Agreement of bands"];
    const part = (title, rows) => [el("tr", {}, el("th", { colspan: heads.length, scope: "rowgroup" }, title)), rows.map((one) => line(one, one.label))];
    fill(body, el("p", { class: "st-dim" }, `${many(found.overall.scenarios, "scenario")}; ${found.people.map(([name, count]) => `${name}: ${count}`).join(", ")}. A positive bias means that the critic is too kind. Intervals in brackets draw whole scenarios again, except Wilson's.`),
      el("div", { class: "st-scroll", tabindex: 0, role: "region", "aria-label": "Agreement of critic and people" }, el("table", { class: "st-table" },
        el("thead", {}, el("tr", {}, heads.map((head) => (head ? el("th", { scope: "col" }, head) : el("td", {}))))),
        el("tbody", {}, line(found.overall, "All"), part("By the critic's band", found.bands), part("By level", found.depths), part("By persona", found.personas)))));
  };
  const STANDING = { same: "", changed: "The step was changed since.", gone: "The step is gone; its texts are kept here." };
  const showList = async () => {
    const found = await api("/api/checks");
    if (!found.rows.length) return fill(find("st-checked"), el("p", { class: "st-dim" }, "None yet."));
    fill(find("st-checked"), el("p", { class: "st-dim" }, found.more ? `The newest ${found.rows.length} of ${found.total}.` : many(found.total, "check")), el("ul", { class: "st-checks" }, found.rows.map((row) => el("li", { class: "st-part" },
      el("p", {}, el("b", {}, WORDS[row.verdict]), ` · critic (model) ${score(row.ai.score)} · ${row.who} (${row.source}) ${score(row.label.score)} `, el("span", { class: "st-dim" }, Subtext.ago(row.at))),
      el("p", { class: "st-dim st-verbatim" }, row.step.slice(0, 300)),
      row.critique === null ? null : diffView(row.diff), row.reason ? el("p", {}, `Reason: ${row.reason}`) : null,
      row.standing === "same" ? el("button", { class: "st-button st-quiet", type: "button", onclick: () => open(row.tree, row.key) }, "Judge again") : el("p", { class: "st-note" }, STANDING[row.standing])))));
  };

  const found = await load();
  const form = el("select", { id: "st-check-format", "aria-label": "Format" }, Object.entries(found.formats).map(([key, label]) => el("option", { value: key }, label)));
  const file = el("input", { id: "st-check-file", type: "file", accept: ".jsonl", class: "st-hidden-input", "aria-label": "File with checks", tabindex: -1, onchange: guarded(async () => {
    if (!file.files.length) return;
    const answer = await fetch("/api/checks/import", { method: "POST", body: file.files[0] }), data = await answer.json().catch(() => ({}));
    file.value = "";
    if (!answer.ok) throw new Error(data.error || `The server answered ${answer.status}.`);
    Subtext.toast(data.sentence);
    await Promise.all([showReport(), showList()]);
  }) });
  fill(find("st-checked-tools"), form,
    el("button", { class: "st-button", id: "st-check-export", type: "button", onclick: () => { location.href = `/api/checks/export?format=${encodeURIComponent(form.value)}`; } }, "Export"),
    file, el("button", { class: "st-button", id: "st-check-import", type: "button", onclick: () => file.click() }, "Import"));
  const focus = (id) => () => { const control = find(id); if (control) { control.focus(); if (control.tagName === "TEXTAREA") control.setSelectionRange(control.value.length, control.value.length); else control.select(); } };
  Subtext.keys({
    1: ["agree", () => judge({ verdict: "agree" })], 2: ["partly", () => judge({ verdict: "partly" })], 3: ["wrong", () => judge({ verdict: "wrong" })],
    s: ["correct the score", focus("st-check-score")], e: ["edit the critique", focus("st-check-critique")], r: ["give a reason", focus("st-check-reason")],
    n: ["next critique", next], u: ["undo", undo],
  });
  draw();
  if (asked.get("tree")) await open(asked.get("tree"), asked.get("node") || "");
  await Promise.all([showReport(), showList()]);
  if (pending.length) flush();
});
