// Checks of responses: one question at a time, y, n or c; every answer is kept here until the server has it. What the judge said is shown afterwards only.
Subtext.verdicts = (element) => Subtext.page(element, "Checks of responses", async () => {
  const { el, api, fill, guarded, many } = Subtext;
  const box = element.querySelector("#st-verdicts");
  const WORDS = { yes: "Yes", no: "No", cannot: "Cannot determine" }, KEYS = { yes: "y", no: "n", cannot: "c" };
  const asked = new URLSearchParams(location.search).get("queue"), queue = asked !== null && /^\d{1,9}$/.test(asked) ? Number(asked) : null;
  const card = (id, title, ...content) => el("section", { class: "st-card", id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title` }, title), ...content);

  const list = async () => {
    const found = await api("/api/verdicts");
    fill(box, card("st-queues", "Queues", found.length ? el("ul", { class: "st-next" }, found.map((one) => el("li", {}, el("a", { href: `/verdicts?queue=${one.id}` }, one.title), el("span", { class: "st-dim" }, `${one.done.toLocaleString("en")} answered by you, ${one.left.toLocaleString("en")} left for you`)))) : el("p", { class: "st-dim" }, "Nothing is asked at the moment. A researcher draws a queue from the report of an evaluation.")));
  };

  const answer = async () => {
    let found = await api(`/api/verdicts/${queue}`);
    const KEPT = `subtext-verdicts-${found.owner}`, AHEAD = "subtext-verdicts-ahead";
    const trail = []; // what can be taken back: [{item, before}]
    let items = [...found.before, ...found.items], at = found.before.length, flying = false, draw = () => {};
    // Several tabs share what is kept: each adds and drops its own.
    const kept = () => { try { return JSON.parse(localStorage.getItem(KEPT)) || []; } catch { return []; } };
    const keep = (entry) => localStorage.setItem(KEPT, JSON.stringify([...kept(), entry]));
    const drop = (entry) => localStorage.setItem(KEPT, JSON.stringify(kept().filter((other) => other.client_id !== entry.client_id)));
    const pending = kept();
    const state = el("p", { class: "st-dim", id: "st-verdict-state", role: "status" }), panel = el("div", { id: "st-verdict" }), bar = el("progress", { class: "st-wide-progress", "aria-label": "Answered by you" }), count = el("span", { class: "st-dim", id: "st-verdict-count" });
    const say = (text) => { state.textContent = text; };
    const current = () => items[at] || null;
    const progress = () => {
      const done = found.queue.done, left = found.queue.left;
      Object.assign(bar, { max: Math.max(1, done + left), value: done });
      count.textContent = `${done.toLocaleString("en")} answered by you, ${left.toLocaleString("en")} left for you`;
    };
    // What is not acknowledged yet stays in this browser under a name of its owner, and goes out in order; the server knows a resend by its id.
    const flush = async () => {
      if (flying) return;
      flying = true;
      while (pending.length) {
        say("saving…");
        const sent = pending[0];
        let reply;
        try { reply = await fetch("/api/verdicts", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(sent) }); } catch { reply = null; }
        if (!reply || reply.status >= 500 || reply.status === 429) { say("The server does not answer; the answer is kept in this browser and sent again."); setTimeout(() => { flush(); }, 2000); break; }
        if (reply.status === 401) { location.href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`; break; }
        const data = await reply.json().catch(() => ({}));
        if (reply.status === 403) { say(`${data.error || "You may not answer here any more."} The answer is kept in this browser.`); break; }
        pending.shift();
        drop(sent);
        const one = items.find((other) => other.task === sent.task);
        if (!reply.ok) { say(""); Subtext.toast(data.error || "The server refused an answer.", "st-bad"); if (one && one.last === sent.client_id) one.answer = one.saved || ""; }
        else { if (one) { if (!one.saved && sent.answer) { found.queue.done += 1; found.queue.left = Math.max(0, found.queue.left - 1); } if (one.saved && !sent.answer) { found.queue.done -= 1; found.queue.left += 1; } one.saved = sent.answer; } if (!pending.length) say(sent.answer ? "Saved." : "Taken back."); }
      }
      flying = false;
      progress();
      draw();
    };
    const put = (one, value) => {
      one.answer = value;
      one.last = Subtext.uuid();
      pending.push({ task: one.task, digest: one.digest, answer: value, client_id: one.last });
      keep(pending.at(-1));
      draw();
      flush();
    };
    const choose = (value) => {
      const one = current();
      if (!one) return;
      if (one.seen) return Subtext.toast("You have seen what the judge said; the answer that you gave before it stands.");
      if (one.answer === value) return;
      trail.push({ item: one, before: one.answer });
      put(one, value);
      if (localStorage.getItem(AHEAD)) move(1);
    };
    const undo = () => {
      let step = trail.pop();
      while (step && step.item.seen) step = trail.pop();
      if (!step) return Subtext.toast("There is nothing to take back.");
      at = Math.max(0, items.indexOf(step.item));
      put(step.item, step.before);
    };
    const more = guarded(async () => {
      if (pending.length) return Subtext.toast("The last answer is still being saved.");
      found = await api(`/api/verdicts/${queue}`);
      items = items.slice(-60);
      // The server hands out the same ones until they are answered: where all that came are here already, those that were passed over come again.
      const known = new Set(items.map((one) => one.task)), left = new Set(found.items.map((one) => one.task)), fresh = found.items.filter((one) => !known.has(one.task));
      items = [...items, ...fresh];
      at = fresh.length ? items.length - fresh.length : left.size ? items.findIndex((one) => left.has(one.task)) : items.length;
      say(left.size && !fresh.length ? "What you passed over comes again." : "");
      progress();
      draw();
    });
    const move = (step) => {
      if (at + step < 0) return;
      if (at + step < items.length) { at += step; draw(); } else if (step > 0) more();
    };
    const open = guarded(async () => {
      const one = current();
      if (!one || !one.answer) return Subtext.toast("Answer first: what the judge said is shown afterwards.");
      if (pending.length) return Subtext.toast("The answer is still being saved.");
      one.wish ||= Subtext.uuid();
      const told = await api("/api/verdicts/reveal", { task: one.task, client_id: one.wish });
      [one.seen, one.judges] = [true, told.judges];
      draw();
    });
    const lead = el("input", { type: "checkbox", id: "st-verdict-ahead", checked: Boolean(localStorage.getItem(AHEAD)), onchange: () => { if (lead.checked) localStorage.setItem(AHEAD, "1"); else localStorage.removeItem(AHEAD); } });
    const said = (one) => one.judges ? one.judges.map((judge) => el("div", { class: "st-part" }, el("h3", {}, one.judges.length > 1 ? `Judge ${judge.judge + 1}, asked ${judge.repeat + 1}` : "The judge"), el("p", {}, el("b", {}, WORDS[judge.outcome] || "No verdict")), el("p", { class: "st-verbatim" }, judge.explanation || judge.why))) : null;
    draw = () => {
      const one = current();
      if (!one) return fill(panel, el("p", { id: "st-verdict-done" }, found.queue.closed ? "This queue is closed; thank you." : found.queue.left ? "More is left for you in this queue, but none of it came. Load the page again." : "That is all: nothing is left for you in this queue. Thank you."), el("div", { class: "st-actions" }, el("button", { class: "st-button", type: "button", onclick: () => move(-1) }, "Back (k)"), el("a", { class: "st-button", href: "/verdicts" }, "All queues")));
      const [first, ...rest] = one.question.split(/\n(?=[A-Z])/), focus = document.activeElement?.dataset?.answer;
      fill(panel, el("div", { class: "st-columns st-check-sides" },
        el("div", {}, one.preference ? [el("h3", {}, "Preference"), el("p", { class: "st-preference st-verbatim", id: "st-verdict-preference" }, one.preference)] : el("p", { class: "st-note" }, "This question is answered without the preference, as the judge does."),
          el("h3", {}, "Query"), el("p", { class: "st-query st-verbatim" }, one.query), el("h3", {}, "Response"), el("p", { class: "st-verbatim", id: "st-verdict-response" }, one.response)),
        el("div", { class: "st-verdict-side" }, el("h3", {}, "The question"), el("p", { id: "st-verdict-question" }, el("b", {}, first)), rest.map((line) => el("p", {}, line)), el("p", { class: "st-dim" }, one.rules),
          el("div", { class: "st-rating st-check-verdicts", role: "group", "aria-label": "Your answer" }, Object.entries(WORDS).map(([value, text]) => el("button", { class: "st-level", type: "button", "data-answer": value, "aria-pressed": String(one.answer === value), "aria-keyshortcuts": KEYS[value], disabled: one.seen, onclick: () => choose(value) }, text, " ", el("kbd", {}, KEYS[value])))),
          el("div", { class: "st-actions" }, el("button", { class: "st-button", type: "button", id: "st-verdict-before", disabled: !at, onclick: () => move(-1) }, "Before (k)"), el("button", { class: "st-button st-primary", type: "button", id: "st-verdict-next", onclick: () => move(1) }, "Next (j)"), el("button", { class: "st-button", type: "button", id: "st-verdict-undo", onclick: undo }, "Undo (u)"), el("button", { class: "st-button", type: "button", id: "st-verdict-open", disabled: !one.saved || one.seen, onclick: open }, "What the judge said (e)")),
          one.seen ? el("p", { class: "st-note" }, "Your answer stands as you gave it before you saw this.") : el("p", { class: "st-dim" }, "Once you look at what the judge said, your answer is fixed."), el("div", { id: "st-verdict-judges" }, said(one)))));
      if (focus) panel.querySelector(`[data-answer=${focus}]`)?.focus({ preventScroll: true });
    };
    for (const one of items) one.saved = one.answer;
    fill(box, card("st-queue", found.queue.title, bar, el("div", { class: "st-job-head" }, count, el("label", { class: "st-check" }, lead, "Go on after each answer")), panel, state), el("p", {}, el("a", { href: "/verdicts" }, "All queues")));
    progress();
    draw();
    Subtext.keys({ y: ["yes", () => choose("yes")], n: ["no", () => choose("no")], c: ["cannot determine", () => choose("cannot")], j: ["next question", () => move(1)], k: ["question before", () => move(-1)], u: ["take the last answer back", undo], e: ["what the judge said, after the answer", open] });
    if (pending.length) await flush();
  };
  await (queue === null ? list() : answer()).catch((error) => fill(box, el("p", { class: "st-warning", role: "alert" }, error.message)));
});
