// Home: counts, one scenario to read, next steps, recent activity.
Subtext.home = (element) => Subtext.page(element, "Home", async () => {
  const { el, api, many, ago, score } = Subtext;
  const find = (id) => element.querySelector(`#${id}`);
  const mine = await api("/api/mine");
  if (!["researcher", "admin"].includes(mine.role)) return Subtext.ownStudies(element, mine);
  const { totals, recent, imports } = await api("/api/home");

  const counts = [[totals.sets, "set"], [totals.scenarios, "scenario"], [totals.trees, "tree"], [totals.nodes, "node"], [totals.paths, "path"], [totals.records, "record"]];
  find("st-counts").append(...counts.map(([count, noun]) =>
    el("div", { class: "st-count" }, el("b", {}, count.toLocaleString("en")), el("span", {}, `${noun}${count === 1 ? "" : "s"}`))));

  const listed = await api("/api/scenarios");
  if (listed.rows.length) {
    const row = listed.rows[new Date().getDate() % listed.rows.length];
    const shown = await api(`/api/scenarios/${row.id}`);
    const best = shown.tree && shown.tree.nodes.filter((node) => node.kind === "thought" && !node.pruned && node.score !== undefined)
      .sort((a, b) => b.score - a.score)[0];
    Subtext.fill(find("st-featured"), 
      shown.set.sample ? el("p", { class: "st-tag" }, "sample data, written for this product") : null,
      el("p", { class: "st-quote" }, shown.preference), el("p", {}, el("b", {}, "Asks: "), shown.query),
      best ? el("p", {}, el("b", {}, "Underneath: "), best.thought.slice(0, 600), " ", el("span", { class: "st-chip", "data-shade": Subtext.shade(best.score) }, score(best.score))) : null,
      el("a", { class: "st-button", href: `/trees?scenario=${row.id}${best ? `&node=${encodeURIComponent(best.key)}` : ""}` }, "Open this tree"));
  } else {
    Subtext.fill(find("st-featured"), el("p", { class: "st-dim" }, "There is no tree yet. Import a file with trees on the Data page."));
  }

  const only = recent.length > 0 && recent.every((set) => set.sample);
  const steps = [
    ["/trees", "Walk through a sample tree with the arrow keys", "See each step's critique and why branches were cut."],
    ["/data", only ? "Import a file of your own" : "Import another file", "DeepPref, PrefEval, ALOE, AlignX, TRL rows; found by content."],
    ["/data?set=1", "Look at a score histogram", "A collapsed scorer shows at a glance, before you train on it."],
    ["/studies", "Plan a rating study", "Six sample users and three anonymous systems are here to try it on."],
  ];
  find("st-next").append(...steps.map(([href, what, why]) => el("li", {}, el("a", { href }, what), el("span", { class: "st-dim" }, why))));

  const events = [
    ...imports.filter((item) => !item.done || item.failed).map((item) => el("li", {}, el("b", {}, item.names), item.done ? ` – ${item.text}` : ` – importing, ${Math.round(item.share * 100)} %`)),
    ...recent.map((set) => el("li", {}, el("a", { href: `/data?set=${set.id}` }, `${set.name} v${set.version}`),
      el("span", { class: "st-dim" }, `${many(set.records, "record")}${set.problems ? `, ${many(set.problems, "problem")}` : ""} · imported ${ago(set.created_at)}`))),
  ];
  find("st-recent").append(...(events.length ? events : [el("li", { class: "st-dim" }, "Nothing yet.")]));
});

// Home of people who rate: their studies, and nothing of the data.
Subtext.ownStudies = (element, mine) => {
  const { el, many } = Subtext;
  const asked = mine.role === "annotator" ? el("section", { class: "st-card" }, el("h2", {}, "Checks of responses"), el("p", {}, el("a", { href: "/verdicts" }, "Questions about single responses"), el("span", { class: "st-dim" }, " · yes, no or cannot determine, by keyboard"))) : null;
  const rows = mine.studies.map((study) => el("li", {},
    el("a", { href: `/rate?study=${study.study_id}`, class: "st-button st-primary" }, study.done < study.dialogues && study.status === "running" ? "Go on rating" : "Look at it"),
    el("span", {}, ` ${study.done} of ${many(study.dialogues, "dialogue")} done${study.status === "running" ? "" : "; closed"}`)));
  Subtext.fill(element.querySelector("#st-body"), el("h1", {}, `Welcome, ${mine.name}`),
    el("section", { class: "st-card" }, el("h2", {}, "Your studies"), rows.length ? el("ul", { class: "st-next" }, rows) : el("p", { class: "st-dim" }, "No study is waiting for you. A researcher adds you by the name of your account.")), asked);
};
