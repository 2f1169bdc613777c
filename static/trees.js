// The tree page: holds what is selected and keeps list, tree, path view, node panel and address in step.
Subtext.trees = (element) => Subtext.page(element, "Trees", async () => {
  const { el, api, guarded } = Subtext;
  const find = (id) => element.querySelector(`#${id}`);
  const address = new URLSearchParams(location.search);
  const filters = Object.fromEntries(["set", "topic", "split", "band", "depth", "pruned", "mark", "all", "q"].map((name) => [name, address.get(name) || ""]));
  const state = { id: Number(address.get("scenario")) || null, key: address.get("node"), mode: address.get("view") === "path" ? "path" : "tree", leaf: null, other: address.get("beside") || "" };
  const facets = await api("/api/facets");
  let view = null, known = new Map(), below = new Map(), collapsed = new Set();

  const link = (key) => {
    const values = new URLSearchParams();
    if (state.id) values.set("scenario", state.id);
    if (key) values.set("node", key);
    if (state.mode === "path") values.set("view", "path");
    if (state.mode === "path" && state.other) values.set("beside", state.other);
    for (const [name, value] of Object.entries(filters)) if (value) values.set(name, value);
    return `/trees?${values}`;
  };
  const remember = () => history.replaceState(history.state, "", link(state.key));

  const panel = Subtext.nodepanel(find("st-node"), { rubric: facets.rubric, personas: facets.personas, link });
  const list = Subtext.list(element, { filters, facets, open: (id, key) => open(id, key), changed: remember });
  const viewBox = find("st-view"), treeBox = el("div"), pathBox = el("div", { class: "st-paths" });
  viewBox.append(treeBox, pathBox);
  const picture = Subtext.treeview(treeBox, { select: (key) => select(key), toggle: (key) => toggle(key) });
  const paths = Subtext.pathview(pathBox, { select: (key) => select(key), choose: (leaf, other) => { state.other = other; select(leaf); } });

  // The finished leaf to read a selected node with: itself, else the best finished path through it, else the first leaf below.
  const leafOf = (key) => {
    const through = view.tree.paths.filter((path) => path.leaf !== null && known.has(path.leaf) && (key === null || known.get(key).kind === "root" || Subtext.chain(known, path.leaf).some((node) => node.key === key)));
    if (through.some((path) => path.leaf === key)) return key;
    if (through.length) return through.reduce((best, path) => (path.total > best.total ? path : best)).leaf;
    let leaf = key;
    while (below.get(leaf)?.length) leaf = below.get(leaf)[0];
    return leaf;
  };

  const select = (key, focus) => {
    if (!known.has(key)) return;
    for (let node = known.get(known.get(key).parent); node; node = known.get(node.parent)) if (collapsed.has(node.key)) { collapsed.delete(node.key); picture.draw(view.tree, collapsed, key); }
    state.key = key;
    picture.mark(key, focus);
    panel.show(view, known.get(key));
    if (state.mode === "path") drawPath();
    remember();
  };
  const drawPath = () => {
    state.leaf = state.leaf && Subtext.chain(known, state.leaf).some((node) => node.key === state.key) ? state.leaf : leafOf(state.key);
    const other = state.other && known.has(state.other) && state.other !== state.leaf ? state.other : "";
    paths.draw(view.tree, known, state.key, state.leaf, other);
  };
  const toggle = (key) => {
    if (!below.get(key)?.length) return;
    if (collapsed.has(key)) collapsed.delete(key); else collapsed.add(key);
    picture.draw(view.tree, collapsed, state.key);
  };
  const mode = (name) => {
    state.mode = name;
    treeBox.hidden = name !== "tree";
    pathBox.hidden = name !== "path";
    for (const part of find("st-toolbar").querySelectorAll(".st-only-tree")) part.hidden = name !== "tree";
    for (const button of find("st-toolbar").querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", String(button.dataset.mode === name));
    if (view && view.tree && name === "path") drawPath();
    if (view && view.tree && name === "tree") picture.mark(state.key);
    remember();
  };

  const toolbar = () => {
    const tool = (text, label, action, more) => el("button", { class: "st-button", type: "button", title: label, "aria-label": label, onclick: action, ...more }, text);
    const depth = view.tree.stats.depth;
    const levels = el("select", { "aria-label": "Levels shown", onchange: () => {
      const limit = Number(levels.value);
      collapsed = new Set(view.tree.nodes.filter((node) => limit && node.depth >= limit && below.get(node.key).length).map((node) => node.key));
      picture.draw(view.tree, collapsed, state.key);
    } }, el("option", { value: "0" }, "all levels"), [...Array(Math.min(depth, 12)).keys()].slice(1).map((level) => el("option", { value: level }, `${level} level${level > 1 ? "s" : ""}`)));
    const stats = view.tree.stats;
    Subtext.fill(find("st-toolbar"), 
      el("span", { class: "st-switch", role: "group", "aria-label": "View" }, tool("Tree", "Tree view", () => mode("tree"), { "data-mode": "tree" }), tool("Path", "Path view", () => mode("path"), { "data-mode": "path" })),
      el("span", { class: "st-only-tree st-tools" }, levels, tool("−", "Zoom out", () => picture.zoom(1 / 1.2)), tool("+", "Zoom in", () => picture.zoom(1.2)), tool("Fit", "Fit the tree into the view", picture.fit)),
      el("span", { class: "st-legend" }, el("span", {}, "−1"), [...Array(9).keys()].map((shade) => el("i", { "data-shade": shade })), el("span", {}, "1")),
      el("span", { class: "st-dim" }, `${stats.nodes} nodes, ${stats.pruned} pruned${stats.unscored ? `, ${stats.unscored} unscored` : ""}${view.tree.hidden ? `; ${view.tree.hidden} far from the root are not drawn (they are in the export)` : ""}`));
  };

  const head = () => {
    const spread = guarded(async () => Subtext.dialog(`Scores of ${view.set.name} v${view.set.version}`, Subtext.histogram(await api(`/api/histogram?set=${view.set.id}`), facets.rubric)));
    const rawScenario = guarded(async () => Subtext.dialog("This scenario, raw", el("pre", { class: "st-raw", tabindex: "0" }, JSON.stringify(await api(`/api/scenarios/${view.id}/raw`), null, 2))));
    Subtext.fill(find("st-scenario"), 
      el("div", { class: "st-scenario-text" },
        el("p", { class: "st-preference" }, el("span", { class: "st-label" }, "Preference"), view.preference),
        el("p", { class: "st-query" }, el("span", { class: "st-label" }, "Query"), view.query)),
      el("p", { class: "st-scenario-foot" }, view.growing ? el("span", { class: "st-tag st-growing", role: "status" }, "growing…") : null, view.set.sample ? el("span", { class: "st-tag st-sample", title: "Written for this product to show how a tree reads." }, "sample data") : null,
        view.topic ? el("span", { class: "st-tag" }, view.topic) : null, view.split ? el("span", { class: "st-tag" }, view.split) : null,
        ...(view.tree ? view.tree.marks.map((mark) => el("span", { class: "st-tag st-flagged", title: mark.text }, mark.key.replaceAll("_", " "))) : []),
        el("button", { class: "st-button st-quiet", type: "button", onclick: () => step(-1), title: "Previous scenario", "aria-label": "Previous scenario" }, "["),
        el("button", { class: "st-button st-quiet", type: "button", onclick: () => step(1), title: "Next scenario", "aria-label": "Next scenario" }, "]"),
        el("button", { class: "st-button st-quiet", type: "button", onclick: spread }, "Scores of this set"),
        el("button", { class: "st-button st-quiet", type: "button", onclick: rawScenario }, "Raw JSON")));
  };

  const plain = () => {
    Subtext.fill(find("st-toolbar"), );
    treeBox.hidden = true;
    pathBox.hidden = false;
    Subtext.fill(pathBox, el("p", { class: "st-note" }, "This scenario has no tree yet."), view.explanation ? el("p", { class: "st-verbatim" }, view.explanation) : null,
      ...(view.talk || []).map((turn) => el("div", { class: `st-turn st-turn-${turn.role === "user" ? "user" : "other"}` }, el("b", {}, turn.role), el("p", { class: "st-verbatim" }, turn.text))));
    panel.clear("A scenario without a tree has no steps to show.");
  };

  // A tree that a job is growing: look again and again, draw what is new, leave the selection where it is.
  let looking = 0;
  const watch = (id) => {
    clearTimeout(looking);
    if (!view.growing) return;
    looking = setTimeout(guarded(async () => {
      if (state.id !== id) return;
      if (document.hidden) return watch(id);
      const found = await api(`/api/scenarios/${id}`);
      if (state.id !== id) return;
      const changed = found.tree && (found.tree.nodes.length !== view.tree.nodes.length || found.growing !== view.growing);
      view = found;
      if (changed) {
        known = new Map(view.tree.nodes.map((node) => [node.key, node]));
        below = picture.draw(view.tree, collapsed, state.key).children;
        head();
        toolbar();
        mode(state.mode);
        select(known.has(state.key) ? state.key : view.tree.nodes[0].key);
        await list.load();
        list.mark(id);
      }
      watch(id);
    }), 1000);
  };

  const open = guarded(async (id, key) => {
    const found = await api(`/api/scenarios/${id}`);
    view = found;
    state.id = id;
    state.leaf = null;
    state.other = key === undefined ? state.other : "";
    list.mark(id);
    head();
    if (!view.tree) { state.key = null; known = new Map(); plain(); remember(); return; }
    collapsed = new Set();
    known = new Map(view.tree.nodes.map((node) => [node.key, node]));
    treeBox.hidden = false;
    const plan = picture.draw(view.tree, collapsed, key);
    below = plan.children;
    toolbar();
    mode(state.mode);
    picture.fit();
    state.key = known.has(key) ? key : view.tree.nodes[0].key;
    if (key && !known.has(key)) Subtext.toast(`Node ${key} is not in this tree; the question is shown.`, "st-bad");
    select(state.key);
    watch(id);
  });

  const step = guarded(async (by) => {
    if (!state.id) return;
    const { before, after } = await api(`/api/neighbours?${list.query({ q: "" })}&scenario=${state.id}`);
    const next = by < 0 ? before : after;
    if (next) await open(next, null); else Subtext.toast(by < 0 ? "This is the first scenario." : "This is the last scenario.");
  });
  const sibling = (by) => {
    const node = known.get(state.key);
    const around = node && (below.get(node.parent) || view.tree.nodes.filter((item) => !known.has(item.parent)).map((item) => item.key));
    const key = around && around[around.indexOf(state.key) + by];
    if (key) select(key, true);
  };
  const move = (key) => { if (key && known.has(key)) select(key, true); };
  Subtext.keys({
    ArrowLeft: ["to the step before (parent)", () => move(known.get(state.key)?.parent)],
    ArrowRight: ["to the first step that follows (child)", () => { if (collapsed.has(state.key)) toggle(state.key); else move(below.get(state.key)?.[0]); }],
    ArrowUp: ["to the sibling above", () => sibling(-1)],
    ArrowDown: ["to the sibling below", () => sibling(1)],
    Enter: ["to the panel of the selected step", () => find("st-node").focus()],
    " ": ["hide or show what is below the selected step", () => toggle(state.key)],
    "[": ["previous scenario", () => step(-1)],
    "]": ["next scenario", () => step(1)],
    p: ["switch between tree and path", () => { if (view?.tree) mode(state.mode === "tree" ? "path" : "tree"); }],
    b: ["to the end of the best path", () => view?.tree?.best && move(view.tree.best)],
    "/": ["search", () => list.focus()],
  });

  await list.load();
  const first = state.id || list.first()?.id;
  if (first) await open(first, state.id ? state.key : undefined);
  else {
    Subtext.fill(find("st-scenario"), el("p", { class: "st-dim" }, "There is no tree yet. Import a file with trees on the ", el("a", { href: "/data" }, "Data page"), "."));
    panel.clear("Nothing is selected.");
  }
});
