// The tree: cards over drawn edges in a scrolling field; zoom, pan by dragging, collapse, keyboard, roles for readers.
Subtext.treeview = (box, { select, toggle }) => {
  const { el, shade, score, PERSONAS } = Subtext;
  const SIZE = { width: 200, height: 78, gapX: 32, gapY: 10 };
  const PAD = 16;
  const LEGIBLE = 0.82; // fitting never shrinks text below this; smaller is by choice
  let scale = 1, plan = null, cards = new Map(), selected = null, data = null;

  const layer = el("div", { class: "st-layer", role: "tree", "aria-label": "Reasoning tree" });
  const sizer = el("div", { class: "st-sizer" }, layer);
  const field = el("div", { class: "st-field", id: "st-field" }, sizer);
  Subtext.fill(box, field);

  const describe = (node) => [
    node.kind === "root" ? "Question" : node.kind === "answer" ? "Answer" : node.persona || "thought",
    node.kind === "root" ? null : node.score === null ? `unscored, ${node.unscored || "no score"}` : `score ${score(node.score)}`,
    node.pruned ? `pruned: ${node.pruned}` : null, node.thought.slice(0, 200),
  ].filter(Boolean).join(", ");

  const card = (node, best) => {
    const below = plan.children.get(node.key).length;
    const closed = data.collapsed.has(node.key);
    const point = plan.place.get(node.key);
    const more = below ? el("span", { class: "st-more", "aria-hidden": "true", title: closed ? `Show ${below} below` : "Hide what is below", onclick: (event) => { event.stopPropagation(); toggle(node.key); } }, closed ? `+${below}` : "–") : null;
    return el("div", {
      class: ["st-item", `st-kind-${node.kind}`, node.pruned ? "st-pruned" : "", best.has(node.key) ? "st-best" : "", node.marks ? "st-marked" : ""].join(" "),
      role: "treeitem", tabindex: "-1", "data-key": node.key, "data-shade": node.kind === "root" ? null : shade(node.score),
      "aria-level": node.depth + 1, "aria-selected": "false", "aria-expanded": below ? String(!closed) : null, "aria-label": describe(node),
      style: { left: `${point.x}px`, top: `${point.y}px`, width: `${SIZE.width}px`, height: `${SIZE.height}px` },
      onclick: () => select(node.key),
    },
      el("span", { class: "st-item-head", "aria-hidden": "true" },
        node.kind === "root" ? el("span", { class: "st-persona" }, "?") : node.kind === "answer" ? el("span", { class: "st-persona" }, "A") : node.persona ? el("span", { class: "st-persona", title: node.persona }, PERSONAS[node.persona]) : null,
        node.kind === "root" ? el("span", {}, "question") : el("span", { class: "st-why" }, node.pruned ? `pruned · ${node.pruned}` : node.kind === "answer" ? "answer" : node.persona || ""),
        node.marks ? el("span", { class: "st-flag", title: node.marks.map((mark) => mark.text).join(" ") }, "!") : null,
        node.kind === "root" ? null : el("b", { class: "st-value" }, score(node.score))),
      el("span", { class: "st-item-text", "aria-hidden": "true" }, node.thought.slice(0, 160)), more);
  };

  const edges = (best) => {
    const lines = [];
    for (const key of plan.order) {
      if (data.collapsed.has(key)) continue;
      const from = plan.place.get(key);
      for (const child of plan.children.get(key)) {
        const to = plan.place.get(child);
        const x1 = from.x + SIZE.width, y1 = from.y + SIZE.height / 2, y2 = to.y + SIZE.height / 2, bend = SIZE.gapX / 2;
        const node = plan.known.get(child);
        lines.push(el("svg:path", { class: `st-edge ${node.pruned ? "st-edge-pruned" : ""} ${best.has(child) ? "st-edge-best" : ""}`, d: `M${x1} ${y1}C${x1 + bend} ${y1} ${to.x - bend} ${y2} ${to.x} ${y2}` }));
      }
    }
    return el("svg:svg", { class: "st-edges", width: plan.width, height: plan.height, "aria-hidden": "true" }, lines);
  };

  const zoom = (value) => {
    const middle = { x: (field.scrollLeft + field.clientWidth / 2) / scale, y: (field.scrollTop + field.clientHeight / 2) / scale };
    scale = Math.max(0.3, Math.min(1.6, value));
    layer.style.transform = `translate(${PAD}px, ${PAD}px) scale(${scale})`;
    sizer.style.width = `${plan.width * scale + 2 * PAD}px`;
    sizer.style.height = `${plan.height * scale + 2 * PAD}px`;
    field.scrollLeft = middle.x * scale - field.clientWidth / 2;
    field.scrollTop = middle.y * scale - field.clientHeight / 2;
  };
  const fit = () => {
    zoom(Math.min(1, Math.max(LEGIBLE, Math.min((field.clientWidth - 2 * PAD) / plan.width, (field.clientHeight - 2 * PAD) / plan.height))));
    field.scrollTo(0, Math.max(0, (plan.height * scale - field.clientHeight) / 2));
    if (selected) reveal(selected);
  };
  const reveal = (key) => {
    const point = plan.place.get(key);
    if (!point) return;
    const edge = (start, length, at, view) => (start < at + 8 ? Math.max(0, start - 24) : start + length > at + view - 8 ? start + length - view + 24 : at);
    field.scrollLeft = edge(point.x * scale + PAD, SIZE.width * scale, field.scrollLeft, field.clientWidth);
    field.scrollTop = edge(point.y * scale + PAD, SIZE.height * scale, field.scrollTop, field.clientHeight);
  };

  field.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(scale * Math.exp(-event.deltaY / 300));
  }, { passive: false });
  let drag = null;
  field.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button || event.target.closest(".st-item")) return;
    drag = { x: event.clientX, y: event.clientY, left: field.scrollLeft, top: field.scrollTop };
    field.setPointerCapture(event.pointerId);
    field.classList.add("st-dragging");
  });
  field.addEventListener("pointermove", (event) => {
    if (!drag) return;
    field.scrollLeft = drag.left - event.clientX + drag.x;
    field.scrollTop = drag.top - event.clientY + drag.y;
  });
  for (const name of ["pointerup", "pointercancel"]) field.addEventListener(name, () => { drag = null; field.classList.remove("st-dragging"); });

  return {
    draw(tree, collapsed, key) {
      data = { tree, collapsed };
      plan = Subtext.layout(tree.nodes, collapsed, SIZE);
      const best = new Set(tree.best ? Subtext.chain(plan.known, tree.best).map((node) => node.key) : []);
      cards = new Map(plan.order.map((name) => [name, card(plan.known.get(name), best)]));
      Subtext.fill(layer, edges(best), ...cards.values());
      layer.style.width = `${plan.width}px`;
      layer.style.height = `${plan.height}px`;
      selected = null;
      zoom(scale);
      this.mark(key);
      return plan;
    },
    mark(key, focus) {
      const old = cards.get(selected), next = cards.get(key) || cards.values().next().value;
      if (old) { old.setAttribute("aria-selected", "false"); old.tabIndex = -1; }
      if (!next) return;
      selected = next.dataset.key;
      next.setAttribute("aria-selected", "true");
      next.tabIndex = 0;
      if (focus) next.focus({ preventScroll: true });
      reveal(selected);
    },
    zoom: (factor) => zoom(scale * factor),
    fit,
    get plan() { return plan; },
  };
};
