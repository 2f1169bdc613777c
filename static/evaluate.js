// Evaluate: which view the address asks for, and the list of evaluations.
Subtext.evaluate = (element) => Subtext.page(element, "Evaluate", async () => {
  const { el, api, fill, many, ago } = Subtext, { address, card } = Subtext.evaluating;
  const box = element.querySelector("#st-evaluate"), name = element.querySelector("#st-evaluate-name");
  const query = new URLSearchParams(location.search);
  const asked = (key) => { const value = query.get(key); return value !== null && /^\d{1,9}$/.test(value) ? Number(value) : null; };
  const id = asked("evaluation");
  const called = (title) => { name.textContent = title; document.title = `${title.length > 80 ? `${title.slice(0, 79)}…` : title} · Subtext`; };
  const back = (href, text) => name.before(el("p", { class: "st-back" }, el("a", { href }, `← ${text}`)));

  const list = async () => {
    const found = await api("/api/evaluations");
    const state = (one) => (one.finished_at && !Subtext.alive(one.status) ? "finished" : one.status || "stopped");
    return card("st-evaluations", "Evaluations", found.length ? el("ul", { class: "st-next" }, found.map((one) => el("li", { "data-evaluation": one.id }, el("span", {}, el("a", { href: address(one.id) }, one.name), " ", el("span", { class: "st-tag st-status", "data-status": one.status || "done" }, state(one))),
      el("span", { class: "st-dim" }, `${one.data.name} v${one.data.version}, ${many(one.data.cases, "case")} · ${many(one.rows, "row")} · ${one.judges.length ? `judged by ${one.judges.join(", ")}` : "no judge"} · ${ago(one.created_at)} `, one.job ? el("a", { href: `/jobs?job=${one.job}` }, `Job ${one.job}`) : null)))) : el("p", { class: "st-dim", id: "st-no-evaluations" }, "None yet. The form below starts one; the starter model answers at once, offline."));
  };
  const show = async () => {
    if (query.has("plan")) { back("/evaluate", "All evaluations"); called(await Subtext.planner(box, asked("plan"))); return; }
    if (id === null) { fill(box, await list()); await Subtext.evalform(box); return; }
    const [href, text, view] = query.get("view") === "people" ? [query.get("of") ? address(id, { view: "people" }) : address(id), query.get("of") ? "Judges and people" : "Report", Subtext.evalpeople] : asked("first") !== null && asked("second") !== null ? [address(id), "Report", Subtext.evalcompare] : asked("row") !== null ? [address(id), "Report", Subtext.evalitems] : ["/evaluate", "All evaluations", Subtext.evalreport];
    back(href, text);
    called(await view(box, id));
  };
  // What cannot be shown says why in its place, not only in passing.
  await show().catch((error) => fill(box, el("p", { class: "st-warning", role: "alert" }, error.message)));
});
