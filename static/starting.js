// What every form that starts a job has in common: a setting with its meaning, what is checked, the command, the job as it goes.
(() => {
  "use strict";
  const Subtext = (window.Subtext = window.Subtext || {});

  // A control for one field of a spec, by its type and bounds; `write` gets every new value.
  Subtext.control = (field, value, write, own = {}) => {
    const { el } = Subtext, id = `st-${field.name}`;
    if (own.options) {
      const select = el("select", { id, onchange: () => write(field.type === "integer" ? Number(select.value) : select.value) }, own.options.map((one) => el("option", { value: one.value }, one.label)));
      select.value = String(value);
      return select;
    }
    if (field.type === "boolean") return el("input", { id, type: "checkbox", checked: value, onchange: (event) => write(event.target.checked) });
    if (field.type === "array") {
      const boxes = field.choices.map((choice) => el("input", { type: "checkbox", value: choice, checked: value.includes(choice), onchange: () => write(boxes.filter((box) => box.checked).map((box) => box.value)) }));
      return el("span", { class: "st-choices", role: "group", "aria-label": field.label, id }, boxes.map((box) => el("label", { class: "st-check" }, box, own.words ? own.words(box.value) : box.value)));
    }
    if (field.choices) {
      const select = el("select", { id, onchange: () => write(select.value) }, field.choices.map((choice) => el("option", { value: choice }, (own.words ? own.words(choice) : choice) || own.unset)));
      select.value = value;
      return select;
    }
    if (field.type === "string") return el("input", { id, maxlength: field.longest, value, spellcheck: "false", placeholder: own.placeholder || null, list: own.list || null, onchange: (event) => write(event.target.value.trim()) });
    return el("input", { id, type: "number", step: field.type === "integer" ? 1 : "any", min: field.low, max: field.high, value, onchange: (event) => write(event.target.value === "" ? null : Number(event.target.value)) });
  };

  // A setting: what it is called, its control, what it means. `mark` is put behind the name.
  Subtext.setting = (field, control, mark = null) => {
    const { el } = Subtext, hint = el("span", { class: "st-dim" }, field.meaning);
    if (field.type === "array") return el("div", { class: "st-setting" }, el("span", {}, field.label, mark), control, hint);
    if (field.type === "boolean") return el("label", { class: "st-setting" }, el("span", { class: "st-check" }, control, el("span", {}, field.label, mark)), hint);
    return el("label", { class: "st-setting" }, el("span", {}, field.label, mark), control, hint);
  };

  // What is checked before the start, the button that starts, and the same as a command. `names`: the ids of verdict, button, command and copy.
  Subtext.preflight = (box, { what, text, names, act }) => {
    const { el, fill, guarded, many } = Subtext;
    const MARKS = { ok: "✓ ok", warning: "! warning", blocking: "✕ blocks" };
    const verdict = el("p", { role: "status", id: names.verdict }, "Looking…"), lines = el("ul", { class: "st-preflight", "aria-label": "Checks" });
    const command = el("code", { id: names.command, class: "st-command-text", tabindex: "0", role: "region", "aria-label": "Command" });
    const begin = el("button", { class: "st-button st-primary", type: "button", id: names.begin, disabled: true, onclick: () => act() }, text);
    fill(box, verdict, lines, el("div", { class: "st-actions" }, begin), el("h3", {}, "The same on the command line"),
      el("div", { class: "st-command" }, command, el("button", { class: "st-button", type: "button", id: names.copy, onclick: guarded(async () => { await navigator.clipboard.writeText(command.textContent); Subtext.toast("Copied."); }) }, "Copy")));
    return {
      draw: (told) => {
        fill(lines, told.lines.map((one) => el("li", { "data-level": one.level, "data-check": one.name }, el("span", { class: `st-tag st-level-${one.level}` }, MARKS[one.level]), el("span", {}, el("b", {}, one.name), ` ${one.text}`))));
        const count = told.lines.filter((one) => one.level === "warning").length;
        verdict.textContent = told.blocked ? `Something blocks the ${what}; the list says what.` : count ? `Nothing blocks. ${many(count, "warning")} to read.` : "Everything is ready.";
        begin.disabled = told.blocked;
        if (told.command) command.textContent = told.command;
      },
      refuse: (why) => { fill(lines); verdict.textContent = why; begin.disabled = true; },
      wait: (said = verdict.textContent) => { verdict.textContent = said; begin.disabled = true; },
    };
  };

  Subtext.alive = (status) => ["queued", "running", "cancelling"].includes(status);
  // A job as it goes: its state, what it says, where to read more, how far it is.
  Subtext.jobline = (job, what, text, ...more) => {
    const { el } = Subtext;
    return [el("p", {}, el("span", { class: "st-tag st-status", "data-status": job.status }, job.status), ` ${job.message || "It waits for its turn."} `, el("a", { href: `/jobs?job=${job.id}`, id: "st-job-link" }, `Job ${job.id}: ${text}`), more),
      Subtext.alive(job.status) ? el("progress", { class: "st-wide-progress", max: job.progress_total || 1, value: job.progress_total ? job.progress_done : null, "aria-label": `Progress of the ${what}` }) : null];
  };
})();
