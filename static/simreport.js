// The report of simulated dialogues: levels by model and turn with n, what is missing and why, the set; the dialogues behind a cell.
Subtext.simreport = async (box, id) => {
  const { el, api, fill, guarded, many } = Subtext, { card, scroll, when } = Subtext.evaluating, { address } = Subtext.simulating;
  const without = {};
  let found = null, said = "", timer = 0;
  const place = (model) => found.lines.findIndex((line) => line.label === model);
  const link = (model, turn, state, ...content) => el("a", { class: "st-cell", href: address(id, { line: place(model), turn: turn || "", state }), "data-cell": `${place(model)}/${turn}` }, ...content);

  const about = () => {
    const one = found.simulation, alive = Subtext.alive(one.status), held = found.coverage.reduce((sum, cell) => sum + cell.held, 0), planned = found.coverage.reduce((sum, cell) => sum + cell.planned, 0);
    const facts = [["State", el("span", { class: "st-tag st-status", id: "st-state", "data-status": one.status || "done" }, one.finished_at && !alive ? "finished" : one.status || "stopped")],
      ["People", `${one.data.people.toLocaleString("en")} of ${many(one.data.profiles, "profile")}, from ${one.data.name} v${one.data.version}`], ["Played by", one.player.name], ["Judged by", one.judges.map((judge) => judge.name).join(", ") || "nobody: for people to rate"],
      ["Turns", `${held.toLocaleString("en")} of ${planned.toLocaleString("en")} took place`], ["Begun", when(one.created_at)], ["Job", one.job ? el("a", { href: `/jobs?job=${one.job}`, id: "st-job-link" }, `Job ${one.job}: log and command`) : "–"]];
    return card("st-about", "About it", el("dl", { class: "st-facts" }, facts.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])), alive ? el("progress", { class: "st-wide-progress", max: planned || 1, value: held, "aria-label": "Progress of the simulation" }) : null);
  };
  const kept = () => {
    const keep = el("button", { class: "st-button", type: "button", id: "st-keep", onclick: guarded(async () => { Subtext.toast((await api(`/api/simulations/${id}/keep`, {})).said); said = ""; await look(); }) }, "Make a set of what there is");
    return card("st-kept", "The dialogues", found.set ? el("p", {}, "They are ", el("a", { href: `/data?set=${found.set.id}`, id: "st-set-link" }, `set ${found.set.id}, ${found.set.name} v${found.set.version}`), ` (${many(found.set.records, "dialogue")}). `, el("a", { class: "st-button", href: `/studies?set=${found.set.id}`, id: "st-study-link" }, "Plan a rating study with them")) : [el("p", { class: "st-dim" }, "They become a set when every turn was asked for; a set can be rated by people on the Studies page."), keep],
      el("p", { class: "st-actions" }, Object.entries(found.formats).map(([name, label]) => el("a", { class: "st-button", href: `/api/simulations/${id}/export/${name}`, download: "", "data-export": name }, label))));
  };
  const coverage = () => {
    const turns = [...Array(found.turns).keys()].map((turn) => turn + 1);
    const cell = (model, turn) => {
      const one = found.coverage.find((other) => other.model === model && other.turn === turn);
      if (!one) return el("td", { class: "st-number" }, "–");
      const missing = [one.failed ? `${one.failed} failed` : "", one.ended ? `${one.ended} ended before` : "", one.open ? `${one.open} not asked yet` : ""].filter(Boolean).join(", ");
      return el("td", { class: "st-number" }, link(model, turn, "", `${one.held} of ${one.planned}`), found.simulation.judges.length && one.rated !== one.held ? el("span", { class: "st-dim st-interval" }, `${one.rated} with a level`) : null, missing ? el("span", { class: "st-dim st-interval" }, missing) : null);
    };
    const models = found.lines.map((line) => line.label).filter((model) => model !== without.model);
    return card("st-coverage", "How many dialogues stand behind each turn", scroll("Dialogues by model and turn", el("table", { class: "st-table" }, el("caption", { class: "st-only-readers" }, "Dialogues in which a turn took place, by model and turn"),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Model"), turns.map((turn) => el("th", { scope: "col", class: "st-number" }, `k=${turn}`)))), el("tbody", {}, models.map((model) => el("tr", {}, el("th", { scope: "row", style: { "min-width": "150px" } }, model), turns.map((turn) => cell(model, turn))))))),
      el("p", { class: "st-dim" }, "A turn without a message or an answer is missing and ends its dialogue: nothing is made up in its place. A level that a judge could not give is missing by itself."),
      found.losses.length ? [el("h3", {}, "What is missing, and why"), scroll("Reasons", el("table", { class: "st-table", id: "st-losses" }, el("thead", {}, el("tr", {}, ["What", "Times", "Model", "Turn", "Why"].map((text) => el("th", { scope: "col" }, text)))),
        el("tbody", {}, found.losses.map((loss) => el("tr", {}, el("td", {}, loss.what), el("td", { class: "st-number" }, loss.times), el("td", {}, loss.model), el("td", { class: "st-number" }, link(loss.model, loss.turn, loss.what === "turn" ? "failed" : "", `k=${loss.turn}`)), el("td", { class: "st-verbatim" }, loss.why))))))] : null);
  };
  const report = () => card("st-levels", "Levels by judges", found.ratings
    ? Subtext.studyReport({ ...found, without }, { paper: found.paper, judged: true, leave: (what, value) => { without[what] = value; said = ""; return look(); }, open: (model, turn) => location.assign(address(id, { line: place(model), turn: turn || "" })) })
    : el("p", { class: "st-dim", id: "st-no-levels" }, found.simulation.judges.length ? "No judge has given a level yet." : "Nobody judged: make a rating study of the dialogues."));
  const forget = () => el("button", { class: "st-button st-quiet", type: "button", id: "st-forget", disabled: Subtext.alive(found.simulation.status), onclick: () => {
    const typed = el("input", { "aria-label": "Name of the simulation", maxlength: 200 });
    const dialog = Subtext.dialog("Delete this simulation", el("p", {}, "All its turns and levels go; the set of its dialogues stays. Type the name to delete it: ", el("b", {}, found.simulation.name)), typed,
      el("button", { class: "st-button st-primary", type: "button", id: "st-forget-go", onclick: guarded(async () => { await api(`/api/simulations/${id}/remove`, { name: typed.value }); dialog.close(); location.assign("/simulate"); }) }, "Delete"));
  } }, "Delete this simulation");

  // Drawn again only when something changed, so that whoever reads keeps the place.
  const look = async () => {
    clearTimeout(timer);
    found = await api(`/api/simulations/${id}?${new URLSearchParams(Object.entries(without).filter(([, value]) => value))}`);
    const now = JSON.stringify(found);
    if (now !== said) { const top = scrollY; said = now; fill(box, about(), report(), coverage(), kept(), el("p", {}, forget())); scrollTo(0, top); }
    if (Subtext.alive(found.simulation.status)) { const again = () => { timer = setTimeout(() => (document.hidden ? again() : guarded(look)()), 2000); }; again(); }
  };
  await look();
  return found.simulation.name;
};

// The dialogues behind a cell, lowest level first, a page at a time.
Subtext.simdialogues = async (box, id) => {
  const { el, api, fill, guarded, many } = Subtext, { card, filters } = Subtext.evaluating, { address } = Subtext.simulating;
  const query = new URLSearchParams(location.search), line = Number(query.get("line")), turn = Number(query.get("turn")) || 0;
  let state = ["held", "failed", "ended", "open", "unrated"].includes(query.get("state")) ? query.get("state") : "", offset = 0;
  const WORDS = { failed: "This turn is missing.", ended: "The dialogue had ended.", open: "Not asked yet." };
  const level = (given) => el("p", {}, el("span", { class: "st-tag" }, `${given.judge}: ${given.level === null ? "no level" : given.level}`), " ", el("span", { class: "st-verbatim" }, given.level === null ? given.why : given.explanation));
  const exchange = (one) => el("article", { class: `st-exchange ${one.turn === turn ? "st-current" : ""}`, "data-turn": one.turn, "data-state": one.state },
    el("p", { class: "st-dim" }, `Turn ${one.turn}. `, one.told.length ? ["To be told: ", el("span", { class: "st-verbatim" }, one.told.join(" "))] : "Nothing new to tell."),
    one.user === null ? null : el("p", { class: "st-verbatim" }, el("b", {}, "User: "), one.user), one.assistant === null ? null : el("p", { class: "st-verbatim" }, el("b", {}, "Answer: "), one.assistant),
    one.state === "held" ? null : el("p", { class: one.state === "failed" ? "st-warning" : "st-dim" }, `${WORDS[one.state]} ${one.why}`), one.reply ? el("details", {}, el("summary", {}, "The raw reply"), el("p", { class: "st-verbatim" }, one.reply)) : null,
    one.notes.map((note) => el("p", { class: "st-dim" }, note)), one.levels.map(level));
  const shown = (one, open) => el("details", { class: "st-set", open, "data-dialogue": "" }, el("summary", {}, el("b", {}, one.mean === null ? "–" : one.mean.toFixed(2)), ` ${one.profile.length > 90 ? `${one.profile.slice(0, 89)}…` : one.profile}`),
    el("p", { class: "st-verbatim" }, one.profile), one.personality ? el("p", { class: "st-verbatim" }, one.personality) : null, one.turns.map(exchange));
  const list = el("div"), more = el("button", { class: "st-button", type: "button", id: "st-more" }, "More"), head = el("p", { class: "st-dim", id: "st-behind" });
  const load = async () => {
    const found = await api(`/api/simulations/${id}/dialogues?${new URLSearchParams({ line, turn, state, offset })}`);
    list.append(...found.dialogues.map((one, index) => shown(one, offset + index === 0)));
    offset += found.dialogues.length;
    more.hidden = offset >= found.total;
    head.textContent = `${many(found.total, "dialogue")}, lowest level first.`;
    return found;
  };
  more.addEventListener("click", guarded(load));
  const options = [["", "all"], ["held", "took place"], ["unrated", "without a level"], ["failed", "failed here"], ["ended", "ended before"], ["open", "not asked yet"]];
  const choose = turn ? el("label", {}, "Turn ", el("select", { id: "st-state-choice", onchange: (event) => { location.assign(address(id, { line, turn, state: event.target.value })); } }, options.map(([value, text]) => el("option", { value, selected: value === state }, text)))) : null;
  const found = await load();
  fill(box, card("st-dialogues", turn ? `${found.model}, turn ${turn}` : found.model, choose, head, list, more));
  return turn ? `Turn ${turn} of ${found.model}` : `Dialogues of ${found.model}`;
};
