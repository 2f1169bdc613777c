// The list of scenarios: search, facets, rows. Tells the page what was chosen.
Subtext.list = (element, { filters, facets, open, changed }) => {
  const { el, api, guarded, score, shade } = Subtext;
  const find = (id) => element.querySelector(`#${id}`);
  const list = find("st-list"), search = find("st-search"), count = find("st-list-count");
  let rows = [], asked = 0, current = null;

  const query = (extra) => {
    const values = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...filters, ...extra })) if (value) values.set(name, value);
    return values.toString();
  };

  // Matched words arrive between two control characters; they become <mark>, everything stays text.
  const marked = (snippet) => snippet.split("\x02").flatMap((part, index) => {
    if (!index) return [part];
    const [hit, ...rest] = part.split("\x03");
    return [el("mark", {}, hit), rest.join("")];
  });

  const row = (item) => el("li", {},
    el("a", {
      class: "st-row", href: `/trees?scenario=${item.id}`, "data-id": item.id, "aria-current": item.id === current ? "true" : null,
      onclick: (event) => { if (event.metaKey || event.ctrlKey) return; event.preventDefault(); drawer.classList.remove("st-open"); open(item.id, item.node || null); },
    },
      el("span", { class: "st-row-query" }, el("span", {}, item.query || "(no query)"),
        item.best === null ? null : el("b", { class: "st-chip", "data-shade": shade(item.high), title: "R: sum of the step scores of the best path" }, `R ${score(item.best)}`)),
      el("span", { class: "st-row-preference" }, item.snippet ? marked(item.snippet) : item.preference),
      el("span", { class: "st-row-foot" }, item.topic ? el("span", { class: "st-tag" }, item.topic) : null,
        el("span", { class: "st-dim" }, item.tree_id === null ? "no tree yet" : `${item.nodes} nodes, depth ${item.depth}`))));

  const load = guarded(async (more) => {
    const mine = (asked += 1);
    const found = await api(`/api/scenarios?${query({ offset: more ? rows.length : 0 })}`);
    if (mine !== asked) return;
    rows = more ? [...rows, ...found.rows] : found.rows;
    count.textContent = found.search ? `${found.more ? "First " : ""}${rows.length} found, newest first` : `${rows.length} of ${found.total.toLocaleString("en")}`;
    Subtext.fill(list, ...rows.map(row), ...(found.more && !found.search ? [el("li", {}, el("button", { class: "st-button", type: "button", onclick: () => load(true) }, "Show more"))] : []),
      ...(rows.length ? [] : [el("li", { class: "st-dim st-empty" }, filters.q ? "Nothing holds all these words. Try fewer, or whole words." : "Nothing fits these filters.")]));
  });

  const facet = (name, label, options) => {
    const choice = el("select", { "data-facet": name, onchange: () => { filters[name] = choice.value; narrowed(); } },
      el("option", { value: "" }, "any"), options.map(([value, text, number]) => el("option", { value, selected: String(filters[name] || "") === String(value) }, number === undefined ? text : `${text} (${number.toLocaleString("en")})`)));
    return el("label", {}, label, choice);
  };
  // Scrolls the list only, never the page.
  const show = (link) => {
    const frame = link.closest(".st-list"), top = link.offsetTop - find("st-list").offsetTop, head = element.querySelector(".st-list-head").offsetHeight;
    if (top < frame.scrollTop) frame.scrollTop = top;
    else if (top + link.offsetHeight + head > frame.scrollTop + frame.clientHeight) frame.scrollTop = top + link.offsetHeight + head - frame.clientHeight;
  };
  const narrowed = () => { mark(); changed(); load(); };
  const mark = () => {
    const on = Object.entries(filters).filter(([name, value]) => value && name !== "q" && name !== "all").length;
    find("st-filter-count").textContent = on ? `(${on})` : "";
  };
  const all = el("input", { type: "checkbox", checked: Boolean(filters.all), onchange: () => { filters.all = all.checked ? "1" : ""; narrowed(); } });
  Subtext.fill(element.querySelector(".st-facet-grid"), 
    facet("set", "Data set", facets.sets), facet("topic", "Topic", facets.topics.map(([name, n]) => [name, name, n])),
    facet("split", "Split", facets.splits.map(([name, n]) => [name, name, n])),
    facet("band", "Has a score in", facets.rubric.slice().reverse().map((band) => [band.key, band.label, facets.bands.find(([key]) => key === band.key)[1]])),
    facet("depth", "Depth", facets.depths.map(([depth, n]) => [depth, String(depth), n])),
    facet("pruned", "Pruned steps", [["yes", "has some", facets.pruned], ["no", "has none"]]),
    facet("mark", "Quality mark", facets.marks.map(([key, n]) => [key, key.replaceAll("_", " "), n])),
    el("label", { class: "st-check" }, all, " also scenarios without a tree"),
    el("button", { class: "st-button", type: "button", onclick: () => {
      for (const name of Object.keys(filters)) filters[name] = "";
      for (const choice of element.querySelectorAll("[data-facet]")) choice.value = "";
      search.value = ""; all.checked = false;
      narrowed();
    } }, "Clear"));

  const drawer = element.querySelector(".st-list");
  find("st-list-toggle").addEventListener("click", () => {
    const on = drawer.classList.toggle("st-open");
    find("st-list-toggle").setAttribute("aria-expanded", String(on));
  });
  let timer = 0;
  search.value = filters.q || "";
  search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => { filters.q = search.value.trim(); changed(); load(); }, 180); });
  search.addEventListener("keydown", (event) => { if (event.key === "Enter" && rows.length) open(rows[0].id, rows[0].node || null); });
  mark();

  return {
    load, query,
    first: () => rows[0] || null,
    focus: () => { search.focus(); search.select(); },
    mark(id) {
      current = id;
      for (const link of list.querySelectorAll(".st-row")) {
        if (Number(link.dataset.id) === id) { link.setAttribute("aria-current", "true"); show(link); } else link.removeAttribute("aria-current");
      }
    },
  };
};
