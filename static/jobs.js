// Jobs: the queue, and one job that is looked at once a second while it lives and this tab is seen. Nothing depends on the page.
Subtext.jobs = (element) => Subtext.page(element, "Jobs", async () => {
  const { el, api, fill, ago, many, guarded } = Subtext;
  const find = (id) => element.querySelector(`#${id}`);
  const MARKS = { queued: "○", running: "◐", cancelling: "◓", done: "✓", failed: "✕", cancelled: "–" };
  const STALLED = 5; // minutes
  const FAR = 400000; // bytes of a log
  const busy = (status) => ["queued", "running", "cancelling"].includes(status);
  const state = { status: "", rows: [], more: false, opened: null };

  const spell = (seconds) => {
    if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
    return seconds < 172800 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86400).toFixed(1)} days`;
  };
  const took = (job) => (job.started_at && job.status !== "queued" ? spell((Date.parse(job.ended_at || job.now) - Date.parse(job.started_at)) / 1000) : "");
  const tag = (status) => el("span", { class: "st-tag st-status", "data-status": status }, `${MARKS[status]} ${status}`);
  const count = (value) => (Number.isInteger(value) ? value.toLocaleString("en") : value.toFixed(1));
  const share = (job) => (job.progress_total ? job.progress_done / job.progress_total : null);
  const bar = (job) => {
    if (!busy(job.status) || job.status === "queued") return null;
    const part = share(job);
    return el("progress", { "aria-label": `Progress of job ${job.id}`, max: 1, value: part === null ? null : part });
  };
  const left = (job) => (job.eta_seconds === null ? "" : `about ${spell(job.eta_seconds)} left`);
  const stalled = (job) => {
    if (job.status !== "running" || !job.heartbeat_at) return null;
    const minutes = Math.floor((Date.parse(job.now) - Date.parse(job.heartbeat_at)) / 60000);
    return minutes >= STALLED ? `No progress for ${many(minutes, "minute")}. The process lives; it may be busy with one long step, or stuck. The end of the log may tell.` : null;
  };
  const what = (job) => Object.entries(job.spec).filter(([name]) => name !== "kind").map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ").replace(/^(.{110}[^,]*).*$/s, "$1 …");

  const act = (name, job) => guarded(async () => {
    const answer = await api(`/api/jobs/${job.id}/${name}`, {});
    Subtext.toast(answer.text);
    if (answer.id) show(answer.id); else await look();
    await list();
  });
  const sure = (job) => {
    const dialog = Subtext.dialog(`Cancel job ${job.id}?`, el("p", {}, job.status === "queued" ? "It has not started. Jobs that wait for it are cancelled too." : "It is asked to end at its next safe point; if it does not, all its processes are ended. Jobs that wait for it are cancelled too."),
      el("button", { class: "st-button st-danger", type: "button", onclick: async () => { dialog.close(); await act("cancel", job)(); } }, "Cancel the job"));
  };
  const buttons = (job) => [
    job.can.cancel ? el("button", { class: "st-button st-danger", type: "button", onclick: () => sure(job) }, "Cancel…") : null,
    job.can.resume ? el("button", { class: "st-button st-primary", type: "button", onclick: act("resume", job), title: "Goes on in the same folder with what is left" }, "Resume") : null,
    job.can.retry ? el("button", { class: "st-button", type: "button", onclick: act("retry", job), title: "A new job that does the same from the beginning" }, "Retry") : null,
  ];

  // One job. The frame is built once when it is opened, so that scrolling, selecting and typing stay undisturbed.
  const build = (id) => {
    const part = (name) => el("div", { "data-part": name });
    const parts = Object.fromEntries(["head", "trouble", "progress", "curves", "log", "files", "about"].map((name) => [name, part(name)]));
    fill(find("st-job"), ...Object.values(parts));
    find("st-job").hidden = false;
    return { id, parts, offset: -1, step: -1, attempt: null, drawn: "", looks: 0, behind: false, log: Subtext.jobLog(parts.log, id), curves: Subtext.curves(parts.curves), job: null };
  };
  const link = (id, text) => el("a", { href: `/jobs?job=${id}`, onclick: (event) => { if (event.metaKey || event.ctrlKey) return; event.preventDefault(); show(id); } }, text || `job ${id}`);
  const about = (job) => el("div", {}, el("h3", {}, "Command"),
    el("div", { class: "st-command" }, el("code", { id: "st-command" }, job.command), el("button", { class: "st-button", type: "button", onclick: guarded(async () => { await navigator.clipboard.writeText(job.command); Subtext.toast("Copied."); }) }, "Copy")),
    el("details", {}, el("summary", {}, "Spec and result"), el("pre", { class: "st-raw", tabindex: "0" }, JSON.stringify({ spec: job.spec, result: job.result }, null, 2))));
  const files = guarded(async (opened) => {
    const found = await api(`/api/jobs/${opened.id}/files`);
    fill(opened.parts.files, found.length ? el("h3", {}, "Files") : null, el("ul", { class: "st-files" }, found.slice(0, 200).map((file) => el("li", {}, el("a", { href: `/api/jobs/${opened.id}/file?${new URLSearchParams({ path: file.path })}`, download: "" }, file.path), el("span", { class: "st-dim" }, ` ${opened.log.size(file.size)}`)))),
      found.length > 200 ? el("p", { class: "st-dim" }, `The first 200 of ${found.length} are shown.`) : null);
  });
  const frame = (opened, job, traceback) => {
    const facts = [`${job.lane}${job.device ? ` ${job.device}` : ""}`, job.attempt > 1 ? `attempt ${job.attempt}` : null, job.pid ? `process ${job.pid}` : null, job.cluster ? `Ray job ${job.cluster}` : null, `put in ${ago(job.created_at)}`].filter(Boolean).join(" · ");
    fill(opened.parts.head, el("div", { class: "st-job-head" }, el("h2", { id: "st-job-title" }, `Job ${job.id}: ${job.kind}`), tag(job.status), el("div", { class: "st-actions" }, buttons(job), el("button", { class: "st-button st-quiet", type: "button", "aria-label": "Close the job", onclick: close }, "✕"))),
      el("p", { class: "st-dim" }, [facts, what(job)].filter(Boolean).join(" · "), job.after_id ? [" · after ", link(job.after_id)] : null, job.retry_of ? [" · same as ", link(job.retry_of)] : null, job.result && Number.isInteger(job.result.model) ? [" · made ", el("a", { href: `/models?model=${job.result.model}` }, `model ${job.result.model}`)] : null, job.rollouts ? [" · ", el("a", { href: `/rollouts?job=${job.id}`, id: "st-job-rollouts" }, "Rollouts")] : null));
    fill(opened.parts.trouble, job.status === "failed" ? el("p", { class: "st-warning", role: "alert", id: "st-job-why" }, job.message) : null,
      traceback ? el("div", {}, el("h3", {}, "Last traceback"), el("pre", { class: "st-raw", id: "st-traceback", tabindex: "0" }, traceback)) : null);
    fill(opened.parts.about, about(job));
  };
  const draw = (opened, { job, traceback, log, metrics }) => {
    if (opened.attempt !== null && opened.attempt !== job.attempt) opened.step = -1;
    opened.attempt = job.attempt;
    opened.job = job;
    const now = JSON.stringify([job.status, job.attempt, job.pid, job.can, job.rollouts, job.status === "failed" ? job.message : "", traceback]);
    if (now !== opened.drawn) { opened.drawn = now; frame(opened, job, traceback); files(opened); } else if ((opened.looks += 1) % 10 === 0) files(opened);
    const part = share(job), warning = stalled(job);
    fill(opened.parts.progress, bar(job),
      el("p", { id: "st-job-progress" }, [part === null ? null : `${count(job.progress_done)} of ${count(job.progress_total)} (${Math.floor(100 * part)} %)`, left(job), took(job) ? `${busy(job.status) ? "running for" : "took"} ${took(job)}` : null].filter(Boolean).join(" · ")),
      job.status === "failed" ? null : el("p", { class: "st-dim", id: "st-job-message" }, job.message), warning ? el("p", { class: "st-note", role: "alert", id: "st-stall" }, warning) : null);
    opened.step = opened.curves.take(metrics);
    opened.offset = opened.log.take(log, opened.offset);
  };
  const looked = async () => {
    const { opened } = state;
    if (!opened) return;
    for (let round = 0; round < 8; round += 1) {
      const found = await api(`/api/jobs/${opened.id}/live?offset=${opened.offset}&step=${opened.step}`);
      if (state.opened !== opened) return;
      draw(opened, found);
      opened.behind = !found.log.gone && found.log.next < found.log.size;
      if (!opened.behind) return;
      if (found.log.size - found.log.next > FAR) opened.offset = -1; // nobody reads that fast: on with the end
    }
  };
  // One after another: two answers to one question would write the log twice.
  let last = Promise.resolve();
  const look = () => (last = last.catch(() => {}).then(looked));
  const address = () => {
    const query = new URLSearchParams();
    if (state.opened) query.set("job", state.opened.id);
    if (state.status) query.set("status", state.status);
    history.replaceState(history.state, "", `/jobs${query.size ? `?${query}` : ""}`);
  };
  const mark = () => { for (const row of element.querySelectorAll("[data-job]")) { if (state.opened && Number(row.dataset.job) === state.opened.id) row.setAttribute("aria-current", "true"); else row.removeAttribute("aria-current"); } };
  const close = () => { state.opened = null; find("st-job").hidden = true; fill(find("st-job")); address(); mark(); };
  const show = guarded(async (id, quiet) => {
    state.opened = build(id);
    address();
    mark();
    try { await look(); } catch (error) { close(); throw error; }
    if (!quiet) find("st-job").scrollIntoView({ block: "start" });
  });

  // The queue.
  const row = (job) => el("li", {}, el("a", { class: "st-job-row", href: `/jobs?job=${job.id}`, "data-job": job.id, "aria-current": state.opened && state.opened.id === job.id ? "true" : null, onclick: (event) => { if (event.metaKey || event.ctrlKey) return; event.preventDefault(); show(job.id); } },
    el("span", { class: "st-job-name" }, el("b", {}, `${job.id} ${job.kind}`), el("span", { class: "st-dim" }, ` ${job.lane}${job.device ? ` ${job.device}` : ""}`)), tag(job.status),
    el("span", { class: "st-job-said" }, bar(job), el("span", { class: "st-dim" }, [left(job), job.message || (job.status === "queued" ? (job.after_id ? `Waits for job ${job.after_id}.` : "Waits for its turn.") : "")].filter(Boolean).join(" · "))),
    el("span", { class: "st-dim st-job-when" }, [job.started_at ? ago(job.started_at) : `put in ${ago(job.created_at)}`, took(job)].filter(Boolean).join(" · "))));
  const list = async (more) => {
    const query = new URLSearchParams({ ...(state.status ? { status: state.status } : {}), ...(more ? { before: state.rows.at(-1).id } : {}), limit: more ? 50 : Math.min(200, Math.max(50, state.rows.length)) });
    const found = await api(`/api/jobs?${query}`);
    state.rows = more ? [...state.rows, ...found.jobs] : found.jobs;
    state.more = found.more;
    state.counts = found.counts;
    const { counts } = found, total = Object.values(counts).reduce((sum, value) => sum + value, 0);
    const text = JSON.stringify([state.rows, found.more, counts, state.opened && state.opened.id].map((item) => (Array.isArray(item) ? item.map((job) => ({ ...job, now: busy(job.status) ? job.now : "" })) : item)));
    fill(find("st-no-worker"), !found.worker && counts.queued + counts.running + counts.cancelling ? el("p", { class: "st-note" }, "No worker runs, so no job starts. The server starts one within seconds; without a server, ", el("code", {}, "subtext worker"), " does.") : null);
    if (text === state.text) return;
    state.text = text;
    choice.replaceChildren(el("option", { value: "" }, `all (${total.toLocaleString("en")})`), ...Object.entries(counts).map(([status, n]) => el("option", { value: status, selected: status === state.status }, `${status} (${n.toLocaleString("en")})`)));
    const held = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.job : null;
    fill(find("st-queue"), state.rows.length ? el("ul", { class: "st-jobs" }, state.rows.map(row)) : el("p", { class: "st-dim" }, state.status ? `No job is ${state.status}.` : "No job yet. Long work that a page or a command starts is listed here and goes on when you close the page."),
      state.more ? el("button", { class: "st-button", type: "button", onclick: guarded(() => list(true)) }, "Show more") : null);
    if (held) find("st-queue").querySelector(`[data-job="${held}"]`)?.focus();
  };
  const choice = el("select", { id: "st-job-filter", "aria-label": "Status", onchange: guarded(async () => { state.status = choice.value; state.rows = []; address(); await list(); }) });
  fill(find("st-queue-tools"), choice, el("button", { class: "st-button", type: "button", id: "st-run-doctor", onclick: guarded(async () => { const { id } = await api("/api/jobs", { spec: { kind: "doctor" } }); await list(); await show(id); }) }, "Check this installation"));

  let turn = 0, away = false;
  const round = async () => {
    if (document.hidden) return;
    turn += 1;
    const some = state.counts && state.counts.queued + state.counts.running + state.counts.cancelling;
    try {
      if (state.opened && (!state.opened.job || state.opened.behind || busy(state.opened.job.status))) { await look(); if (state.opened && state.opened.job && !busy(state.opened.job.status)) turn = 0; }
      if (turn % (some ? 2 : 8) === 0) await list();
      if (away) { away = false; fill(find("st-no-worker")); }
    } catch (error) {
      away = true;
      fill(find("st-no-worker"), el("p", { class: "st-note" }, `${error.message} Jobs go on without it; this page looks again every second.`));
    }
  };
  const loop = async () => { await round(); setTimeout(loop, 1000); };
  document.addEventListener("visibilitychange", round);
  Subtext.keys({ "/": ["search the log", () => state.opened && state.opened.log.focus()], Escape: ["close the job", () => state.opened && close()] });

  const query = new URLSearchParams(location.search);
  state.status = MARKS[query.get("status")] ? query.get("status") : "";
  await list();
  const wanted = Number(query.get("job"));
  if (Number.isSafeInteger(wanted) && wanted > 0) await show(wanted, true);
  setTimeout(loop, 1000);
});
