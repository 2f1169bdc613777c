// One root-to-leaf path as numbered steps with critiques; a second one beside it, with what differs.
Subtext.pathview = (box, { select, choose }) => {
  const { el, score, shade } = Subtext;

  const step = (node, number, key, other) => {
    const gap = other && node.score !== null && other.score !== null ? node.score - other.score : null;
    return el("li", { class: `st-step ${node.key === key ? "st-current" : ""} ${other === null ? "" : "st-differs"}`, "data-key": node.key },
      el("button", { class: "st-step-head", type: "button", onclick: () => select(node.key), "aria-current": node.key === key ? "step" : null },
        el("b", {}, node.kind === "answer" ? `Step ${number} · answer` : `Step ${number}`), el("span", { class: "st-dim" }, node.persona || ""),
        node.pruned ? el("span", { class: "st-tag" }, `pruned · ${node.pruned}`) : null,
        gap === null || Math.abs(gap) < 0.005 ? null : el("span", { class: "st-dim" }, `${gap > 0 ? "+" : "−"}${Math.abs(gap).toFixed(2)}`),
        el("b", { class: "st-chip", "data-shade": shade(node.score) }, score(node.score))),
      el("p", { class: "st-verbatim" }, node.thought),
      node.critique ? el("details", { open: other === null }, el("summary", {}, "Critique"), el("p", { class: "st-verbatim st-critique" }, node.critique)) : null);
  };
  const review = (path) => (path && path.review ? el("div", { class: "st-review" },
    el("b", {}, `Review: ${path.review.total} of 100`), el("span", { class: "st-dim" }, ` process ${path.review.process}/30, discovery ${path.review.discovery}/40, answer ${path.review.answer}/30`),
    el("p", { class: "st-verbatim" }, path.review.text)) : null);
  const name = (path, index) => `Path ${index + 1}${path.total === undefined ? "" : ` · R = ${path.total.toFixed(2)}`}${path.review ? ` · review ${path.review.total}` : ""}`;

  return {
    draw(tree, known, key, leaf, otherLeaf) {
      const paths = tree.paths.filter((path) => path.leaf !== null && known.has(path.leaf));
      const left = Subtext.chain(known, leaf), right = otherLeaf ? Subtext.chain(known, otherLeaf) : null;
      const options = (chosen, empty) => [empty ? el("option", { value: "" }, empty) : null, ...paths.map((path, index) => el("option", { value: path.leaf, selected: path.leaf === chosen }, name(path, index)))];
      const here = paths.some((path) => path.leaf === leaf);
      const bar = el("div", { class: "st-path-bar" },
        el("label", {}, "Path ", el("select", { id: "st-path", onchange: (event) => choose(event.target.value, otherLeaf) }, here ? null : el("option", { value: leaf, selected: true }, "through the selected step"), options(leaf))),
        el("label", {}, "beside ", el("select", { id: "st-path-other", onchange: (event) => choose(leaf, event.target.value) }, options(otherLeaf, "nothing"))));
      const of = (which) => tree.paths.find((path) => path.leaf === which);
      const loose = tree.paths.filter((path) => path.steps);
      if (!right) {
        Subtext.fill(box, bar, el("ol", { class: "st-steps" }, left.map((node, index) => step(node, index + 1, key, null))), review(of(leaf)),
          ...loose.map((path) => el("details", {}, el("summary", {}, "A response of the file that follows no path of the tree"), el("ol", {}, path.steps.map((text) => el("li", { class: "st-verbatim" }, text))))));
        return;
      }
      let shared = 0;
      while (shared < left.length && shared < right.length && left[shared].key === right[shared].key) shared += 1;
      const side = (nodes, others, path) => el("div", {}, el("ol", { class: "st-steps", start: shared + 1 }, nodes.slice(shared).map((node, index) => step(node, shared + index + 1, key, others[shared + index] || {score: null}))), review(path));
      const sum = (nodes) => nodes.reduce((total, node) => total + (node.score || 0), 0);
      Subtext.fill(box, bar,
        el("p", { class: "st-dim", role: "status" }, `${shared} shared step${shared === 1 ? "" : "s"}, then they part. R = ${sum(left).toFixed(2)} against ${sum(right).toFixed(2)}.`),
        shared ? el("ol", { class: "st-steps st-shared" }, left.slice(0, shared).map((node, index) => step(node, index + 1, key, null))) : null,
        el("div", { class: "st-sides" }, side(left, right, of(leaf)), side(right, left, of(otherLeaf))));
    },
  };
};
