// Studies: plan with cost and warnings before anything is stored, links shown once, raters, guideline, freeze, unblind, report.
Subtext.studies = (element) => Subtext.page(element, "Studies", async () => {
  const { el, api, many, ago, guarded, fill } = Subtext;
  const find = (id) => element.querySelector(`#${id}`);
  const all = await api("/api/studies");
  const everySet = await api("/api/sets"), imported = everySet.filter((set) => set.form.startsWith("ratings"));
  const sets = everySet.filter((set) => ["trl_messages", "aloe_conversation", "prefeval_persona", "mixed"].includes(set.form));

  const wanted = Number(new URLSearchParams(location.search).get("set")) || null;
  const field = (label, input, hint) => el("label", {}, label, input, hint ? el("span", { class: "st-dim" }, hint) : null);
  const name = el("input", { id: "st-study-name", maxlength: 120, required: true, placeholder: "Pilot" });
  const boxes = sets.map((set) => el("label", { class: "st-check" }, el("input", { type: "checkbox", value: set.id, checked: wanted ? set.id === wanted : set.sample, "data-set": set.id }), ` ${set.name} v${set.version} (${many(set.records, "record")})`));
  const raters = el("input", { id: "st-raters", required: true, placeholder: "Ada, Ben, Cleo" });
  const overlap = el("input", { id: "st-overlap", type: "number", min: 1, max: 50, value: 2 });
  const seed = el("input", { id: "st-seed", type: "number", min: 0, value: 1 });
  const retest = el("input", { id: "st-retest", type: "number", min: 0, max: 50, value: 0 });
  const checks = el("input", { id: "st-checks", type: "number", min: 0, max: 10, value: 0 });
  const withdrawal = el("select", { id: "st-withdrawal" }, el("option", { value: "removed" }, "delete the ratings"), el("option", { value: "kept" }, "keep them without a name"));
  const progressive = el("input", { type: "checkbox", checked: true }), mask = el("input", { type: "checkbox", checked: true });
  const guideline = el("textarea", { rows: 9 }), consent = el("textarea", { rows: 2 });
  guideline.value = all.guideline;
  consent.value = all.consent;
  const outcome = el("div", { id: "st-draft", role: "status" });
  const order = () => ({
    name: name.value, sets: boxes.map((box) => box.querySelector("input")).filter((box) => box.checked).map((box) => Number(box.value)),
    raters: raters.value.split(",").map((text) => text.trim()).filter(Boolean), overlap: Number(overlap.value), seed: Number(seed.value), retest: Number(retest.value) / 100,
    progressive: progressive.checked, mask: mask.checked, guideline: guideline.value, consent: consent.value, checks: Number(checks.value), withdrawal: withdrawal.value,
  });

  const look = guarded(async () => {
    const draft = await api("/api/studies/draft", order());
    const start = el("button", { class: "st-button st-primary", id: "st-start", type: "button", onclick: guarded(async () => {
      const { links, accounts } = await api("/api/studies", order());
      fill(outcome, el("p", { class: "st-note" }, el("b", {}, "The study runs. "), "Give each rater one link. The links are shown only now; they are not kept."),
        el("table", { class: "st-table", id: "st-links" }, el("tbody", {}, Object.entries(links).map(([who, link]) => el("tr", {}, el("td", {}, who, accounts.includes(who) ? el("span", { class: "st-tag", title: "Has an account: the study is on their Home page as well" }, "account") : null), el("td", {}, el("a", { href: link, target: "_blank", rel: "noopener" }, new URL(link, location.href).href)))))));
      await draw();
    }) }, "Start the study");
    fill(outcome,
      el("p", {}, el("b", {}, `${many(draft.cost.dialogues, "dialogue")} to rate in all, about ${Math.max(1, Math.round(draft.cost.minutes))} minutes. `),
        `${many(draft.profiles, "user profile")}, ${Object.entries(draft.models).map(([model, count]) => `${model} (${count})`).join(", ")}; each rater gets ${Object.entries(draft.lists).map(([who, count]) => `${who} ${count}`).join(", ")}.`),
      draft.duplicates ? el("p", { class: "st-note" }, `${many(draft.duplicates, "dialogue")} stood twice and ${draft.duplicates === 1 ? "was" : "were"} taken once.`) : null,
      draft.warnings.map((text) => el("p", { class: "st-warning" }, text)),
      draft.leak_count ? el("details", { class: "st-problems" }, el("summary", {}, `${many(draft.leak_count, "name")} of systems in the texts${mask.checked ? "; they will be masked" : ""}`), el("ul", {}, draft.leaks.map((leak) => el("li", {}, leak.turn ? `turn ${leak.turn}, ${leak.side}: ` : "profile: ", el("b", {}, leak.words))))) : el("p", { class: "st-dim" }, "No name of a model or vendor stands in the texts."),
      start);
  });

  fill(find("st-form"), sets.length ? el("form", { class: "st-study", onsubmit: (event) => { event.preventDefault(); look(); } },
    el("div", { class: "st-form" }, field("Name", name), field("Raters, by comma", raters), field("Raters for each user profile", overlap), el("button", { class: "st-button st-primary", id: "st-look" }, "Look at the plan")),
    el("fieldset", {}, el("legend", {}, "Dialogues"), boxes),
    el("details", {}, el("summary", {}, "Guideline, consent and order"), field("Guideline", guideline), field("Consent", consent), el("div", { class: "st-form" }, field("Seed", seed), field("Shown again, %", retest, "to see whether a rater repeats"), field("Attention checks", checks, "for each rater; passed within one point")),
      field("When a rater leaves the study", withdrawal),
      el("label", { class: "st-check" }, progressive, " rate turn k before turn k+1 is shown"), el("label", { class: "st-check" }, mask, " mask names of models and vendors")),
    outcome) : el("p", { class: "st-dim" }, "There are no multi-turn dialogues yet. Import some on the ", el("a", { href: "/data" }, "Data page"), "."));

  const confirmed = (study, text, path, why, body = {}) => el("button", { class: "st-button", type: "button", onclick: () => {
    const dialog = Subtext.dialog(text, el("p", {}, why), el("button", { class: "st-button st-primary", type: "button", onclick: guarded(async () => { Subtext.toast((await api(`/api/studies/${study.id}/${path}`, body)).text); dialog.close(); await draw(study.id); }) }, text));
  } }, text);
  const linkShown = (title, text, link) => Subtext.dialog(title, el("p", {}, text), el("code", { class: "st-link" }, new URL(link, location.href).href));

  const raterTable = (study, data) => {
    const handOver = (rater) => el("button", { class: "st-button st-quiet", type: "button", onclick: () => {
      const to = el("input", { maxlength: 80, "aria-label": "Who goes on", placeholder: "a rater of this study, or somebody new" });
      const ask = (confirm) => api(`/api/studies/${study.id}/hand-over`, { rater: rater.name, to: to.value, confirm });
      const planned = el("div", { role: "status" });
      const look = el("button", { class: "st-button st-primary", type: "button", onclick: guarded(async () => {
        const { text } = await ask(false);
        to.disabled = true;
        look.remove();
        fill(planned, el("p", { class: "st-warning" }, text), el("button", { class: "st-button st-primary", type: "button", onclick: guarded(async () => {
          const done = await ask(true);
          dialog.close();
          await draw(study.id);
          if (done.link) linkShown(`The link of ${to.value}`, "It is shown only now.", done.link); else Subtext.toast(done.text);
        }) }, "Hand over"));
      }) }, "Look at it");
      const dialog = Subtext.dialog(`Hand over what ${rater.name} has not finished`, el("p", {}, "Whole user profiles move, so that the study stays crossed: what was rated of them so far no longer counts."), to, look, planned);
    } }, "Hand over…");
    const relink = (rater) => el("button", { class: "st-button st-quiet", type: "button", onclick: guarded(async () => linkShown(`A new link for ${rater.name}`, "The old link no longer works. This one is shown only now.", (await api(`/api/studies/${study.id}/link`, { rater: rater.name })).link)) }, "New link");
    const keeps = data.study.withdrawal === "kept" ? "The ratings stay without name and notes, as the consent said." : `All ratings of this rater are deleted, as the consent said.${study.status === "running" ? "" : " The figures of the report change with them; it is logged."}`;
    return el("details", { class: "st-part" }, el("summary", {}, `Raters (${data.raters.length})`), el("div", { class: "st-scroll" }, el("table", { class: "st-table" },
      el("thead", {}, el("tr", {}, ["Rater", "Done", "Last seen", "Consent", "Actions"].map((text) => el("th", {}, text)))),
      el("tbody", {}, data.raters.map((rater) => el("tr", { "data-rater": rater.name }, el("td", {}, rater.name, rater.account ? el("span", { class: "st-tag" }, "account") : null), el("td", { class: "st-number" }, `${rater.done} of ${rater.dialogues}`), el("td", {}, rater.last_at ? ago(rater.last_at) : "–"), el("td", {}, rater.consented ? "given" : "–"),
        el("td", { class: "st-actions" }, study.status === "running" && rater.done < rater.dialogues ? handOver(rater) : null, rater.name.startsWith("former rater ") ? null : [relink(rater), confirmed(study, "Withdraw", "withdraw", `${rater.name} leaves the study. ${keeps} This cannot be taken back.`, { rater: rater.name })])))))));
  };
  const guidelinePart = (study, data) => {
    const area = el("textarea", { rows: 10, "aria-label": "Guideline" });
    area.value = data.study.guideline;
    return el("details", { class: "st-part" }, el("summary", {}, `Guideline (${many(data.guidelines.length, "version")})`),
      study.status === "running" ? [area, el("button", { class: "st-button", type: "button", onclick: guarded(async () => { Subtext.toast((await api(`/api/studies/${study.id}/guideline`, { text: area.value })).text); await draw(study.id); }) }, "Make it the new version")] : null,
      data.guidelines.map((version) => el("details", {}, el("summary", {}, `${version.version} since ${version.at.slice(0, 16).replace("T", " ")}, ${many(version.acts, "act")}`), el("p", { class: "st-verbatim st-guideline" }, version.text))));
  };

  const report = guarded(async (study, box, without) => {
    const query = new URLSearchParams(Object.entries(without).filter(([, value]) => value));
    const data = await api(`/api/studies/${study.id}/report?${query}`);
    const formats = el("select", { "aria-label": "Export", onchange: () => { if (formats.value) location.href = `/api/studies/${study.id}/export?format=${formats.value}`; formats.value = ""; } },
      el("option", { value: "" }, "Export…"), Object.entries(all.formats).map(([name, label]) => el("option", { value: name }, label)));
    fill(box, el("div", { class: "st-actions" },
      study.status === "running" ? confirmed(study, "Freeze", "freeze", "No rating can be given, changed or undone after this; only a rater who leaves still takes the own ratings along, and that changes the figures. It is logged and cannot be taken back.") : null,
      study.status === "frozen" ? confirmed(study, "Unblind", "unblind", "The report and the export will name the models. It is logged and cannot be taken back.") : null, formats),
      study.status === "unblinded" ? null : el("p", { class: "st-dim" }, "Models go by letters until the study is frozen and unblinded."),
      raterTable(study, data), guidelinePart(study, data),
      Subtext.studyReport({ ...data, without }, { paper: all.paper, leave: (what, value) => report(study, box, { ...without, [what]: value }), open: (model, turn) => Subtext.behind(study.id, model, turn, without) }));
  });
  const importedReport = guarded(async (set, box, without) => {
    const data = await api(`/api/sets/${set.id}/report?${new URLSearchParams(Object.entries(without).filter(([, value]) => value))}`);
    fill(box, Subtext.studyReport({ ...data, without }, { paper: all.paper, leave: (what, value) => importedReport(set, box, { ...without, [what]: value }) }));
  });
  const draw = async (opened) => {
    const found = (await api("/api/studies")).studies;
    fill(find("st-studies"), found.length ? found.map((study) => {
      const body = el("div", { class: "st-set-body" });
      const item = el("details", { class: "st-set", "data-study": study.id }, el("summary", {}, el("b", {}, study.name), el("span", { class: "st-tag" }, study.status),
        el("span", { class: "st-dim" }, `${many(study.raters, "rater")}, ${study.submitted} of ${many(study.dialogues, "dialogue")} done, ${many(study.ratings, "rating")} · ${ago(study.created_at)}`)), body);
      item.addEventListener("toggle", () => { if (item.open) report(study, body, {}); });
      if (study.id === opened) item.open = true;
      return item;
    }) : el("p", { class: "st-dim" }, "No study yet."));
    if (imported.length) find("st-studies").append(el("h3", {}, "Imported ratings"), ...imported.map((set) => {
      const body = el("div", { class: "st-set-body" });
      const item = el("details", { class: "st-set", "data-imported": set.id }, el("summary", {}, el("b", {}, `${set.name} v${set.version}`), el("span", { class: "st-dim" }, `${many(set.records, "record")} · ${ago(set.created_at)}`)), body);
      item.addEventListener("toggle", () => { if (item.open) importedReport(set, body, {}); });
      return item;
    }));
  };
  await draw();
});
