// What the pages that order a job over models have in common: choices of a list, judges, a job to wait for, the order, the job as it goes.
(() => {
  "use strict";
  const Subtext = (window.Subtext = window.Subtext || {});

  // A select that shows `value`; `change` gets every new one.
  Subtext.select = (label, options, value, change) => {
    const { el } = Subtext, made = el("select", { "aria-label": label, onchange: () => change(made.value) }, options.map((one) => el("option", { value: one.value }, one.label)));
    made.value = value;
    return made;
  };

  // A list of judges, changed in place. `later` is told of every change (see `ordering`).
  Subtext.judgesField = (field, options, chosen, later) => {
    const { el, fill } = Subtext, box = el("div", { id: "st-judges" });
    const draw = () => fill(box, el("div", { class: "st-setting" }, el("span", {}, field.label),
      chosen.map((one, place) => el("span", { class: "st-judge" }, Subtext.select(`Judge ${place + 1}`, options, one, (value) => { chosen[place] = value; later(); }), el("button", { class: "st-button st-quiet", type: "button", "aria-label": `Remove judge ${place + 1}`, onclick: () => { chosen.splice(place, 1); draw(); later(0); } }, "Remove"))),
      el("span", {}, el("button", { class: "st-button", type: "button", id: "st-add-judge", disabled: chosen.length >= Math.min(9, options.length), onclick: () => { chosen.push(options.find((one) => !chosen.includes(one.value)).value); draw(); later(0); } }, "Add a judge")), el("span", { class: "st-dim" }, field.meaning)));
    draw();
    return box;
  };

  // Start at once, or when a training is done. `field` is null where none is under way; `change` gets the job's number or null;
  // `models` adds the model that the job makes.
  Subtext.afterField = (jobs, hint, change) => {
    const { el } = Subtext, before = jobs.filter((job) => ["policy", "sft", "tpo"].includes(job.kind) && Subtext.alive(job.status));
    let after = null;
    const which = el("select", { id: "st-after", onchange: () => { after = which.value ? Number(which.value) : null; change(after); } }, el("option", { value: "" }, "at once"), before.map((job) => el("option", { value: job.id }, `when job ${job.id} is done (${job.kind}, ${job.status})`)));
    return {
      field: before.length ? el("label", { class: "st-setting" }, el("span", {}, "Start"), which, hint ? el("span", { class: "st-dim" }, hint) : null) : null,
      job: () => after,
      models: (known) => (after === null ? known : [...known, { value: "after", label: `the model that job ${after} makes` }]),
    };
  };

  // An order: `later` has it looked at once it stops changing, its button starts it. `begin` is the route that starts it, `look` the one
  // that looks at it, `draft` what both are sent; `begun` gets the number of the job.
  Subtext.ordering = ({ kind, what, text, begin, look = `${begin}/preflight`, draft, begun }) => {
    const { el, api, guarded } = Subtext, told = el("div");
    const checked = Subtext.preflight(told, { what, text, names: { verdict: `st-${kind}-verdict`, begin: `st-${kind}-begin`, command: `st-${kind}-command` }, act: () => start() });
    let turn = 0, timer = 0;
    const check = async () => {
      const mine = ++turn;
      try {
        const seen = await api(look, draft());
        if (mine === turn) { if (seen.refused) checked.refuse(seen.refused); else checked.draw(seen); }
      } catch (error) {
        if (mine === turn) checked.refuse(error.message);
      }
    };
    const start = guarded(async () => {
      checked.wait();
      const made = await api(begin, draft());
      checked.draw(made);
      if (made.id !== null) await begun(made.id);
    });
    return { told, later: (wait = 300) => { clearTimeout(timer); timer = setTimeout(check, wait); } };
  };

  // A job of a page whose address is its kind, as it goes: `begun` shows one that was just started, `asked` the one in the address.
  // `reports` is the route that lists what such jobs made, `address` says where one of these is read; `wrong` is said of another job.
  Subtext.following = ({ kind, what, title, reports, address, wrong }) => {
    const { el, api, fill, guarded } = Subtext, live = el("div", { id: `st-${kind}-live` }), going = Subtext.evaluating.card(`st-${kind}-job`, title, live);
    let watching = 0;
    going.hidden = true;
    const watch = guarded(async (id) => {
      clearTimeout(watching);
      const [{ job }, known] = await Promise.all([api(`/api/jobs/${id}`), api(reports)]);
      if (job.kind !== kind) throw new Error(`Job ${id} ${wrong}.`);
      const made = known.find((one) => one.job === id);
      if (job.status === "done" && made && !going.hidden) { location.assign(address(made.id)); return; }
      going.hidden = false;
      fill(live, Subtext.jobline(job, what, "log and command", made ? [" · ", el("a", { href: address(made.id), id: "st-report-link" }, job.status === "done" ? "The report" : "The report while it fills")] : null));
      if (Subtext.alive(job.status)) { const again = () => { watching = setTimeout(() => (document.hidden ? again() : watch(id)), 1500); }; again(); }
    });
    const begun = async (id) => {
      history.replaceState(history.state, "", `/${kind}?job=${id}`);
      await watch(id);
      going.scrollIntoView({ block: "start" });
    };
    const asked = async () => {
      const id = Number(new URLSearchParams(location.search).get("job"));
      if (Number.isSafeInteger(id) && id > 0) await watch(id);
    };
    return { going, begun, asked };
  };
})();
