// The rating page: one dialogue at a time, 1-5 by key, every act into the outbox at once.
Subtext.rate = (element) => Subtext.page(element, "Rate", async () => {
  const { el, many, fill } = Subtext;
  const box = element.querySelector("#st-rate");
  const asked = new URLSearchParams(location.search), study = asked.get("study") || "";
  const who = asked.get("key") ? { "x-rater-key": asked.get("key") } : { "x-rater-study": study };
  let trail = "", versions = ""; // slots of this rater: what can be undone, across dialogues [{token, turn, before}]; the guideline seen
  const IDLE = 30000;
  let sheet = null, focus = 1, values = {}, flags = {}, notes = {}, marks = {}, spent = {}, busy = Date.now(), last = Date.now(), held = false, moving = 0, renewed = false, out = "";

  const call = async (path, body) => {
    const answer = await fetch(path, { method: body ? "POST" : "GET", headers: { "content-type": "application/json", ...who }, body: body ? JSON.stringify(body) : undefined });
    const data = await answer.json().catch(() => ({}));
    if (answer.status === 401 && !sheet) location.href = signIn();
    if (!answer.ok) {
      const error = Object.assign(new Error(data.error || data.detail || `The server answered ${answer.status}.`), { code: data.code, status: answer.status });
      if (answer.status === 401) { out = error.message; draw(); }
      throw error;
    }
    return data;
  };
  const signIn = () => `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
  // What keeps ratings from being sent, and what the rater can do about it.
  const troubles = () => [
    out ? el("p", { class: "st-warning", role: "alert" }, `${out} `, el("a", { class: "st-button", id: "st-again", href: signIn() }, "Sign in again")) : null,
    outbox.parked ? el("p", { class: "st-warning", role: "alert" }, `${many(outbox.parked, "rating")} could not be given to the server: it does not know this link or dialogue. They are kept here and tried again when you open a valid link in this browser. `,
      el("button", { class: "st-button", id: "st-discard", type: "button", onclick: () => { outbox.discard(); if (sheet) load().catch(() => draw()); } }, "Discard them")) : null,
  ];
  const message = (title, text, ...more) => fill(box, el("section", { class: "st-card st-end" }, el("h2", {}, title), el("p", {}, text), ...more, troubles().filter(Boolean)));

  // Active time of the turn in focus: seconds with the page visible and a sign of life in the last half minute.
  for (const name of ["keydown", "pointermove", "wheel", "pointerdown"]) addEventListener(name, () => { busy = Date.now(); }, { passive: true });
  setInterval(() => {
    const now = Date.now();
    if (sheet && !document.hidden && now - busy < IDLE) spent[focus] = (spent[focus] || 0) + Math.min(2000, now - last);
    last = now;
  }, 1000);

  const outbox = Subtext.outbox(who, {
    sent: (batch, next) => {
      for (const item of batch) if (sheet && item.token === sheet.token) marks[item.act.turn] = "saved";
      held = false;
      out = "";
      if (sheet && next && next.token === sheet.token) take(next, true);
    },
    refused: (data, batch) => {
      if (data.code === "held") held = true;
      else if (data.code === "sign-in") out = data.error;
      else if (data.code === "consent") { sheet = null; load("", true).catch((error) => message("The dialogue could not be loaded", error.message)); return; }
      else if (data.code !== "parked") Subtext.toast(data.error || "The server refused a rating.", "st-bad");
      if (data.code === "closed") { message("This study is closed", data.error); return; }
      if (data.code === "moved" && sheet && batch.some((item) => item.token === sheet.token)) { load().catch((error) => message("The dialogue could not be loaded", error.message)); return; }
      if (data.code !== "parked" && data.code !== "sign-in") for (const item of batch) if (sheet && item.token === sheet.token) forget(item.act.turn);
      draw();
    },
    state: (name, batch) => { for (const item of batch) if (sheet && item.token === sheet.token) marks[item.act.turn] = name; status(); },
  });
  // A rating that the server refused: show again what it has.
  const forget = (turn) => { marks[turn] = ""; if (sheet.values[turn] === undefined) delete values[turn]; else values[turn] = sheet.values[turn]; };

  const open = (rater) => { outbox.open(rater); trail = `subtext-trail-${rater}`; versions = `subtext-guideline-${rater}`; };
  const take = (next, same) => {
    open(next.rater);
    sheet = next;
    values = { ...next.values };
    if (!same) { flags = Object.fromEntries(next.flags.map((turn) => [turn, true])); notes = { ...next.notes }; marks = {}; spent = {}; renewed = false; }
    for (const act of outbox.waiting(next.token)) {
      if (act.value === null) delete values[act.turn]; else values[act.turn] = act.value;
      if (!same) { flags[act.turn] = act.flagged; notes[act.turn] = act.note; }
    }
    held = next.held_elsewhere;
    if (!same) focus = firstOpen() || 1;
    const seen = localStorage.getItem(versions);
    if (seen && seen !== next.guideline_version) { renewed = true; Subtext.toast("The guideline was changed. Please read it again beside the dialogue."); }
    localStorage.setItem(versions, next.guideline_version);
    draw();
  };
  const firstOpen = () => { for (let turn = 1; turn <= sheet.turn_count; turn += 1) if (values[turn] === undefined) return turn; return null; };
  // Before the first dialogue: what the rater agrees to.
  const welcome = (found) => {
    open(found.rater);
    outbox.stop(); // nothing is sent before the consent
    const minutes = Math.max(1, Math.round((found.turns * 14) / 60));
    const agree = el("button", { class: "st-button st-primary", id: "st-agree", type: "button", onclick: Subtext.guarded(async () => { await call("/api/rate/consent", { confirm: "yes" }); await load(); }) }, "I agree, begin");
    message("Before you begin", `${many(found.places, "dialogue")} with ${many(found.turns, "answer")} to rate, about ${minutes} minutes in all. You may stop at any time and go on later with the same link.`,
      el("h3", {}, "What happens with your ratings"), el("p", { class: "st-verbatim" }, found.consent), el("p", {}, leaving(found.withdrawal)),
      el("h3", {}, "How to rate"), el("p", { class: "st-verbatim" }, found.guideline), agree);
  };
  const leaving = (withdrawal) => (withdrawal === "kept" ? "If you leave the study later, your ratings stay, without your name and your notes." : "If you leave the study later, your ratings are deleted.");
  const leaveButton = (withdrawal) => el("button", { class: "st-button", type: "button", onclick: () => leave(withdrawal) }, "Leave the study…");
  const leave = (withdrawal) => {
    const dialog = Subtext.dialog("Leave the study", el("p", {}, leaving(withdrawal), " This cannot be taken back."),
      el("button", { class: "st-button st-bad", id: "st-leave", type: "button", onclick: Subtext.guarded(async () => { await call("/api/rate/withdraw", { confirm: "yes" }); dialog.close(); sheet = null; outbox.clear(); localStorage.removeItem(trail); message("You left the study", "It was done as the consent text said. You may close this page."); }) }, "Leave the study"));
  };
  const load = async (token, unsent) => {
    clearTimeout(moving);
    const next = await call(`/api/rate/sheet?holder=${encodeURIComponent(Subtext.holder())}${token ? `&token=${encodeURIComponent(token)}` : ""}`);
    out = "";
    if (next.welcome) return welcome(next.welcome);
    if (next.idle) {
      sheet = null;
      open(next.idle.rater);
      outbox.go();
      return message("Nothing is left to do", "Your dialogues are with somebody else now, or none was given to you yet. Thank you.", leaveButton(next.idle.withdrawal));
    }
    take(next, false);
    if (!unsent) outbox.go();
    if (!next.held_elsewhere && !next.submitted) await call("/api/rate/hold", { token: next.token, holder: Subtext.holder() }).catch(() => {});
  };

  const send = (turn, value) => {
    marks[turn] = "saving";
    outbox.add(sheet.token, { turn, value, client_id: Subtext.uuid(), guideline_version: sheet.guideline_version, active_ms: Math.round(spent[turn] || 0), flagged: Boolean(flags[turn]), note: notes[turn] || "" });
  };
  const past = () => { try { return JSON.parse(localStorage.getItem(trail)) || []; } catch { return []; } };
  const rate = (value) => {
    if (!sheet || held || focus > sheet.turns.length) return;
    const before = values[focus] === undefined ? null : values[focus];
    localStorage.setItem(trail, JSON.stringify([...past(), { token: sheet.token, turn: focus, before }].slice(-200)));
    values[focus] = value;
    send(focus, value);
    const next = firstOpen();
    if (next !== null) focus = Math.min(next, sheet.turn_count);
    draw();
    if (next === null) moveOn();
  };
  const moveOn = () => {
    clearTimeout(moving);
    moving = setTimeout(async () => {
      if (outbox.size) return moveOn();
      try { await load(); } catch (error) { if (!error.status || error.status >= 500) moveOn(); else if (error.status !== 401) message("The dialogue could not be loaded", error.message); }
    }, 900);
  };
  const undo = Subtext.guarded(async () => {
    const trailNow = past(), step = trailNow.pop();
    if (!step) return Subtext.toast("There is nothing to undo.");
    clearTimeout(moving);
    if (!sheet || step.token !== sheet.token) {
      try { await load(step.token); } catch (error) { if (error.status === 404 || error.status === 410) localStorage.setItem(trail, JSON.stringify(trailNow)); throw error; }
    }
    localStorage.setItem(trail, JSON.stringify(trailNow));
    if (step.before === null) delete values[step.turn]; else values[step.turn] = step.before;
    focus = step.turn;
    send(step.turn, step.before);
    draw();
  });
  const go = (by) => { if (!sheet) return; focus = Math.max(1, Math.min(sheet.turns.length, focus + by)); draw(); };
  const flag = () => { if (!sheet) return; flags[focus] = !flags[focus]; if (values[focus] !== undefined) send(focus, values[focus]); draw(); };
  const note = () => {
    if (!sheet) return;
    const turn = focus;
    const area = el("textarea", { rows: 4, maxlength: 4000, "aria-label": `Note on turn ${turn}` });
    area.value = notes[turn] || "";
    const keep = el("button", { class: "st-button st-primary", type: "button", onclick: () => { notes[turn] = area.value; if (values[turn] !== undefined) send(turn, values[turn]); dialog.close(); draw(); } }, "Keep the note");
    const dialog = Subtext.dialog(`Note on turn ${turn}`, el("p", { class: "st-dim" }, "It is saved with the rating of this turn."), area, keep);
    area.focus();
  };

  const WORDS = { saved: "saved", saving: "saving…", offline: "offline, kept here", waiting: "not sent yet, kept here", parked: "not taken, kept here" };
  const status = () => {
    for (const line of box.querySelectorAll("[data-mark]")) { const name = marks[line.dataset.mark] || (sheet.values[line.dataset.mark] === undefined ? "" : "saved"); line.textContent = WORDS[name] || ""; line.dataset.state = name; }
  };
  const turnView = (pair, index) => {
    const turn = index + 1, value = values[turn];
    const buttons = [1, 2, 3, 4, 5].map((level) => el("button", { class: "st-level", type: "button", "aria-pressed": String(value === level), title: sheet.anchors[level], onclick: () => { focus = turn; rate(level); } }, el("b", {}, level)));
    return el("article", { class: `st-exchange ${turn === focus ? "st-current" : ""}`, "data-turn": turn, onclick: () => { if (focus !== turn) { focus = turn; draw(); } } },
      el("div", { class: "st-turn st-turn-user" }, el("b", {}, "User"), el("p", { class: "st-verbatim" }, pair[0])),
      el("div", { class: "st-turn st-turn-other" }, el("b", {}, `Answer ${turn}`), el("p", { class: "st-verbatim" }, pair[1])),
      el("div", { class: "st-rating", role: "group", "aria-label": `Rating of answer ${turn}` }, buttons,
        el("button", { class: "st-level st-cannot", type: "button", "aria-pressed": String(value === 0), title: "Cannot be rated", onclick: () => { focus = turn; rate(0); } }, "0 cannot rate"),
        flags[turn] ? el("span", { class: "st-tag" }, "flagged") : null, notes[turn] ? el("span", { class: "st-tag" }, "note") : null,
        el("span", { class: "st-mark", "data-mark": turn, role: "status" }, "")));
  };
  const draw = () => {
    if (!sheet) return;
    if (sheet.submitted && sheet.done === sheet.places && firstOpen() === null) {
      return message("That was the last one. Thank you.", `You rated ${many(sheet.places, "dialogue")}. Everything is saved; you may close this page, or press u to take back the last rating.`, leaveButton(sheet.withdrawal));
    }
    const rated = Object.keys(values).length;
    fill(box, el("div", { class: "st-rate" },
      el("aside", { class: "st-card st-who" },
        el("p", { class: "st-dim" }, `Dialogue ${sheet.place} of ${sheet.places}`), el("progress", { max: sheet.places * sheet.turn_count, value: sheet.done * sheet.turn_count + (sheet.submitted ? 0 : rated), "aria-label": "How far you are" }),
        el("h2", {}, "The user"), el("p", { class: "st-verbatim" }, sheet.profile),
        renewed ? el("p", { class: "st-warning" }, "The guideline was changed. Please read it again.") : null, el("details", { open: true }, el("summary", {}, "How to rate"), el("p", { class: "st-verbatim st-guideline" }, sheet.guideline)),
        el("details", {}, el("summary", {}, "What happens with your ratings"), el("p", { class: "st-verbatim st-guideline" }, sheet.consent), el("p", {}, leaving(sheet.withdrawal)), leaveButton(sheet.withdrawal)),
        el("p", { class: "st-dim" }, el("kbd", {}, "1"), "–", el("kbd", {}, "5"), " rate, ", el("kbd", {}, "0"), " cannot, ", el("kbd", {}, "u"), " undo, ", el("kbd", {}, "?"), " all keys")),
      el("section", { class: "st-dialogue", "aria-label": "Dialogue" },
        troubles(),
        held ? el("p", { class: "st-warning", role: "alert" }, "This dialogue is open in another tab or window. ", el("button", { class: "st-button", type: "button", onclick: Subtext.guarded(async () => { take(await call("/api/rate/hold", { token: sheet.token, holder: Subtext.holder(), take_over: true }), true); outbox.pump(); }) }, "Rate here instead")) : null,
        sheet.turns.map(turnView),
        sheet.turns.length < sheet.turn_count ? el("p", { class: "st-dim st-more-turns" }, values[sheet.turns.length] === undefined ? `${many(sheet.turn_count - sheet.turns.length, "more turn")}; the next one appears when this one is rated.` : "The next turn is on its way…") : null)));
    status();
    const current = box.querySelector(".st-current");
    if (current) current.scrollIntoView({ block: "nearest" });
  };

  Subtext.keys({
    ...Object.fromEntries([1, 2, 3, 4, 5].map((level) => [String(level), [`rate ${level} and move on`, (event) => { if (!event.repeat) rate(level); }]])),
    0: ["this turn cannot be rated", (event) => { if (!event.repeat) rate(0); }],
    u: ["undo, also across dialogues and after the end", undo],
    j: ["next turn", () => go(1)], k: ["turn before", () => go(-1)],
    f: ["flag this turn", flag], n: ["write a note on this turn", note],
  });
  if (!asked.get("key") && !study) return message("A link is missing", "Raters come here by a link of their own. Ask whoever invited you.");
  try { await load(); } catch (error) { message(error.code === "unknown" ? "This link is not known" : "The dialogue could not be loaded", error.message); }
});
