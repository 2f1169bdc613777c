// The panel of one node: thought, critique, score against its band, where it came from, raw JSON, copy.
Subtext.nodepanel = (box, { rubric, personas, link }) => {
  const { el, api, guarded, score, shade } = Subtext;

  const scale = (value, band) => {
    const at = (number) => `${((number + 1) / 2) * 100}%`;
    const found = rubric.find((item) => item.key === band);
    return el("div", { class: "st-scale" },
      el("div", { class: "st-scale-bar", "aria-hidden": "true" }, [-0.695, -0.395, 0, 0.1, 0.4, 0.7, 0.9].map((limit) => el("i", { style: { left: at(limit) } })), el("b", { style: { left: at(value) } })),
      el("p", {}, el("b", { class: "st-chip", "data-shade": shade(value) }, score(value)), ` ${found ? found.label : ""}`, el("span", { class: "st-dim" }, " on the scale from −1 to 1")));
  };
  const copy = guarded(async (text, what) => {
    try { await navigator.clipboard.writeText(text); } catch { throw new Error("The browser did not allow copying. Select the text and copy it by hand."); }
    Subtext.toast(`Copied ${what}.`);
  });
  const raw = guarded(async (view, node) => {
    const whole = await api(`/api/scenarios/${view.id}/node?key=${encodeURIComponent(node.key)}`);
    const text = JSON.stringify(whole, null, 2);
    Subtext.dialog(`Node ${node.key}, raw`, el("pre", { class: "st-raw", tabindex: "0" }, text), el("button", { class: "st-button", type: "button", onclick: () => copy(text, "the JSON") }, "Copy JSON"));
  });
  const section = (title, ...content) => el("section", {}, el("h3", {}, title), ...content);
  // What people said of the critique, beside what the model said; it comes a moment after the tree.
  let people = { id: null, checks: {} };
  const said = (check) => el("div", { class: "st-note" },
    el("p", {}, el("b", {}, check.source === "person" ? check.who : `${check.who} (model)`), ` says: ${{ agree: "agree", partly: "partly right", wrong: "wrong" }[check.verdict] || check.verdict}`,
      check.score === null ? "" : [", score ", el("b", { class: "st-chip", "data-shade": shade(check.score) }, score(check.score))], check.standing === "changed" ? ". The step was changed since." : "."),
    check.diff.length ? el("p", { class: "st-verbatim st-diff" }, check.diff.map(([what, words]) => [what === "same" ? words : el(what === "gone" ? "del" : "ins", {}, words), " "])) : null,
    check.reason ? el("p", { class: "st-verbatim st-dim" }, check.reason) : null);
  const verbatim = (text) => el("p", { class: "st-verbatim" }, text);

  return {
    show(view, node) {
      const root = node.kind === "root";
      const who = root ? "The question" : node.kind === "answer" ? "Answer" : node.persona ? `The ${node.persona}` : "Thought";
      const whole = node.cut ? el("button", { class: "st-button", type: "button", onclick: guarded(async () => {
        const full = await api(`/api/scenarios/${view.id}/node?key=${encodeURIComponent(node.key)}`);
        this.show(view, { ...node, ...full, cut: false });
      }) }, "Show the whole text") : null;
      Subtext.fill(box, 
        el("h2", {}, who, el("span", { class: "st-dim" }, root ? "" : ` · level ${node.depth} · node ${node.key}`)),
        node.persona ? el("p", { class: "st-dim" }, personas[node.persona]) : null,
        root ? null : node.score === null ? el("p", { class: "st-note" }, el("b", {}, "Unscored. "), node.unscored || "There is no score.") : scale(node.score, node.band),
        node.pruned ? el("p", { class: "st-note" }, el("b", {}, `Pruned (${node.pruned}). `), node.detail || "") : null,
        ...(node.marks || []).map((mark) => el("p", { class: "st-note st-flagged" }, el("b", {}, "Quality: "), mark.text)),
        section(root ? "Query" : node.kind === "answer" ? "Answer" : "Thought", verbatim(node.thought || view.query)),
        root ? section("Preference", verbatim(view.preference)) : section("Critique", node.critique ? verbatim(node.critique) : el("p", { class: "st-dim" }, "No critique came with this step.")),
        people.id === view.id && people.checks[node.key] ? section("People", people.checks[node.key].map(said)) : null,
        root && view.explanation ? section("Why a generic answer goes wrong", verbatim(view.explanation)) : null,
        whole,
        el("div", { class: "st-actions" },
          el("button", { class: "st-button", type: "button", onclick: () => copy(`${node.thought}\n\n${node.critique || ""}\n${root ? "" : `Score: ${score(node.score)}`}`.trim(), "the step") }, "Copy"),
          el("button", { class: "st-button", type: "button", id: "st-copy-link", onclick: () => copy(new URL(link(node.key), location.href).href, "the address of this step") }, "Copy link"),
          el("button", { class: "st-button", type: "button", id: "st-raw", onclick: () => raw(view, node) }, "Raw JSON")),
        el("p", { class: "st-dim st-origin" }, `From ${view.file}, record ${view.position} of ${view.set.name} v${view.set.version}. `,
          root ? "" : node.score === null ? "Parse state: unscored." : "Parse state: scored."));
      box.scrollTop = 0;
      if (people.id === view.id) return;
      people = { id: view.id, checks: {} };
      api(`/api/checks/tree?scenario=${view.id}`).then((checks) => {
        people = { id: view.id, checks };
        if (checks[node.key]) this.show(view, node);
      }).catch(() => { people = { id: null, checks: {} }; });
    },
    clear(text) { Subtext.fill(box, el("p", { class: "st-dim" }, text)); },
  };
};
