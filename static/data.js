// Data: uploads with progress, previews, imports, and the sets.
Subtext.data = (element) => Subtext.page(element, "Data", async () => {
  const { el, api, many, ago, guarded } = Subtext;
  const find = (id) => element.querySelector(`#${id}`);
  const uploads = new Map(); // token -> {name, preview}
  const rubric = (await api("/api/facets")).rubric;

  const send = (file, bar) => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/api/uploads");
    request.setRequestHeader("x-file-name", encodeURIComponent(file.name));
    request.upload.onprogress = (event) => { if (event.lengthComputable) bar.value = event.loaded / event.total; };
    request.onload = () => {
      let data = {};
      try { data = JSON.parse(request.responseText); } catch { /* the status says it */ }
      if (request.status === 200) resolve(data.token);
      else reject(new Error(data.error || `The server answered ${request.status} to ${file.name}.`));
    };
    request.onerror = () => reject(new Error(`The upload of ${file.name} broke off. Drop the file again.`));
    request.send(file);
  });

  const problems = (list, total) => (total ? el("details", { class: "st-problems", open: true },
    el("summary", {}, `${many(total, "problem")}: these records are left out`),
    el("ul", {}, list.map((item) => el("li", {}, el("b", {}, [item.file, item.where].filter(Boolean).join(", ")), item.field ? el("code", {}, ` ${item.field} `) : " ", item.sentence))),
    total > list.length ? el("p", { class: "st-dim" }, `The first ${list.length} are shown.`) : null) : null);

  const describe = (found) => [
    many(found.records, "record"), found.trees ? many(found.trees, "tree") : null, found.nodes ? many(found.nodes, "node") : null,
    found.paths ? many(found.paths, "path") : null,
  ].filter(Boolean).join(", ");

  const read = guarded(async (set, position) => {
    const found = await api(`/api/sets/${set}/records/${position}`);
    Subtext.dialog(`Record ${position}: ${found.title}`,
      found.model ? el("p", {}, el("span", { class: "st-tag" }, found.model)) : null,
      found.profile ? el("section", {}, el("h3", {}, "The user"), el("p", { class: "st-verbatim" }, found.profile)) : null,
      ...found.talk.map((turn) => el("div", { class: `st-turn st-turn-${turn.role === "user" ? "user" : "other"}` }, el("b", {}, turn.role), el("p", { class: "st-verbatim" }, turn.text))),
      el("details", { open: !found.talk.length }, el("summary", {}, "Raw JSON"), el("pre", { class: "st-raw", tabindex: "0" }, JSON.stringify(found.raw, null, 2))));
  });
  const title = (row) => (row.set ? el("button", { class: "st-link", type: "button", onclick: () => read(row.set, row.number) }, row.title || "(no title)") : row.title || "–");

  const table = (rows) => el("div", { class: "st-scroll" }, el("table", { class: "st-table" },
    el("thead", {}, el("tr", {}, el("th", {}, "#"), el("th", {}, "record"), el("th", {}, "preference"), el("th", {}, "what it is"))),
    el("tbody", {}, rows.map((row, index) => el("tr", {}, el("td", { class: "st-number" }, row.number || index + 1), el("td", {}, title(row)), el("td", {}, row.preference || "–"), el("td", { class: "st-dim" }, row.detail))))));

  const drawUpload = (token, name, found) => {
    const marks = Object.entries(found.marks).map(([mark, count]) => `${mark.replaceAll("_", " ")} × ${count.toLocaleString("en")}`);
    return el("article", { class: "st-upload", "data-token": token },
      el("header", {}, el("b", {}, name), el("span", { class: "st-tag" }, found.label || "unknown format"), el("span", { class: "st-dim" }, describe(found)),
        el("button", { class: "st-button st-quiet", type: "button", "aria-label": `Remove ${name}`, onclick: guarded(async () => { await api(`/api/uploads/${token}/drop`, {}); uploads.delete(token); draw(); }) }, "✕")),
      found.known ? el("p", { class: "st-note" }, found.known) : null,
      marks.length ? el("p", { class: "st-note" }, "Odd but readable: ", marks.join(", ")) : null,
      problems(found.problem_list, found.problems),
      found.shown.length ? el("details", { open: uploads.size === 1 }, el("summary", {}, `First ${many(found.shown.length, "record")}`), table(found.shown)) : null);
  };

  const draw = () => {
    const box = find("st-uploads");
    Subtext.fill(box, ...[...uploads].map(([token, { name, preview }]) => drawUpload(token, name, preview)));
    const ready = [...uploads].filter(([, { preview }]) => preview.records && !preview.known);
    if (!uploads.size) return;
    const name = el("input", { id: "st-name", placeholder: ready.length > 1 ? "one set for all files; empty: a set for each" : "from the file", maxlength: 120 });
    const topic = el("input", { id: "st-topic", placeholder: "where the file has none", maxlength: 120 });
    const split = el("select", { id: "st-split" }, ["", "train", "validation", "test"].map((value) => el("option", { value }, value || "as in the file")));
    box.append(el("form", { class: "st-form", onsubmit: (event) => { event.preventDefault(); guarded(run)(ready, name.value, topic.value, split.value); } },
      el("label", {}, "Name of the set", name), el("label", {}, "Topic", topic), el("label", {}, "Split", split),
      el("button", { class: "st-button st-primary", id: "st-import", disabled: !ready.length }, ready.length ? `Import ${many(ready.length, "file")}` : "Nothing to import")));
  };

  const run = async (ready, name, topic, split) => {
    const groups = name.trim() ? [ready] : ready.map((item) => [item]);
    const bar = el("progress", { max: 1, value: 0, "aria-label": "Import" });
    const line = el("p", { role: "status" }, "Importing…");
    Subtext.fill(find("st-uploads"), el("div", { class: "st-upload", id: "st-running" }, line, bar));
    const said = [];
    for (const [index, group] of groups.entries()) {
      const { id } = await api("/api/imports", { uploads: group.map(([token]) => token), name, topic, split });
      for (;;) {
        const state = await api(`/api/imports/${id}`);
        bar.value = (index + (state.done ? 1 : state.share)) / groups.length;
        line.textContent = `Importing ${state.names} (${index + 1} of ${groups.length})…`;
        if (state.done) { said.push(state); break; }
        await new Promise((resolve) => setTimeout(resolve, state.share ? 250 : 60));
      }
    }
    uploads.clear();
    const last = said.filter((state) => state.set).at(-1);
    Subtext.fill(find("st-uploads"), el("div", { class: "st-upload", id: "st-done" },
      el("ul", {}, said.map((state) => el("li", { class: state.failed ? "st-bad-text" : "" }, state.text))),
      el("div", { class: "st-actions" }, last ? el("a", { class: "st-button st-primary", href: `/trees?set=${last.set}&all=1` }, "Open on the Trees page") : null)));
    await drawSets();
  };

  const receive = guarded(async (files) => {
    const box = find("st-uploads");
    for (const file of files) {
      const bar = el("progress", { max: 1, value: 0, "aria-label": `Upload of ${file.name}` });
      const line = el("div", { class: "st-upload" }, el("p", {}, `Reading ${file.name}…`), bar);
      box.append(line);
      try {
        const token = await send(file, bar);
        bar.removeAttribute("value");
        const preview = await api(`/api/uploads/${token}/preview`);
        uploads.set(token, { name: file.name, preview });
      } catch (error) {
        Subtext.toast(error.message, "st-bad");
      }
      line.remove();
    }
    draw();
  });

  const drop = find("st-drop"), input = find("st-file");
  input.addEventListener("change", () => { receive([...input.files]); input.value = ""; });
  drop.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); input.click(); } });
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("st-over"); });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("st-over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); receive([...event.dataTransfer.files]); });

  const remove = (set) => {
    const typed = el("input", { id: "st-confirm", "aria-label": "Name of the set" });
    const really = el("button", { class: "st-button st-danger", type: "button", disabled: true, onclick: guarded(async () => {
      const { text } = await api(`/api/sets/${set.id}/delete`, { confirm: typed.value });
      dialog.close();
      Subtext.toast(text);
      await drawSets();
    }) }, "Delete for good");
    typed.addEventListener("input", () => { really.disabled = typed.value.trim() !== set.name; });
    const dialog = Subtext.dialog(`Delete ${set.name} v${set.version}?`,
      el("p", {}, `${describe(set)} and the original files go with it. This cannot be undone.`),
      el("label", {}, el("span", {}, "Type its name to delete it: ", el("b", {}, set.name)), typed), really);
  };

  const open = guarded(async (set, body) => {
    const detail = await api(`/api/sets/${set.id}`);
    let offset = 0;
    const rows = el("div"), more = el("div", { class: "st-actions" });
    const turn = guarded(async (by) => {
      offset = Math.max(0, offset + by);
      const found = await api(`/api/sets/${set.id}/records?offset=${offset}`);
      Subtext.fill(rows, table(found.map((row, index) => ({ ...row, set: set.id, number: offset + index + 1 }))));
      Subtext.fill(more, 
        el("button", { class: "st-button", type: "button", disabled: offset === 0, onclick: () => turn(-10) }, "← Earlier"),
        el("span", { class: "st-dim" }, `${offset + 1} to ${offset + found.length} of ${detail.records.toLocaleString("en")}`),
        el("button", { class: "st-button", type: "button", disabled: offset + found.length >= detail.records, onclick: () => turn(10) }, "Later →"));
    });
    const format = el("select", { "aria-label": "Export format" }, detail.formats.map((item) => el("option", { value: item.name }, item.label)));
    const figure = detail.trees ? Subtext.histogram(await api(`/api/histogram?set=${set.id}`), rubric) : null;
    Subtext.fill(body, 
      el("div", { class: "st-actions" },
        detail.trees || detail.form.startsWith("prefeval") ? el("a", { class: "st-button st-primary", href: `/trees?set=${set.id}${detail.trees ? "" : "&all=1"}` }, "Open on the Trees page") : null,
        format,
        el("button", { class: "st-button", type: "button", onclick: () => { location.href = `/api/sets/${set.id}/export?format=${encodeURIComponent(format.value)}`; } }, "Export"),
        el("button", { class: "st-button st-danger", type: "button", onclick: () => remove(set) }, "Delete…")),
      el("details", {}, el("summary", {}, many(detail.source_files.length, "file")), el("ul", {}, detail.source_files.map((file) =>
        el("li", {}, `${file.name}: ${many(file.records, "record")}, ${many(file.problems, "problem")}, `, el("code", { title: file.digest }, file.digest.slice(0, 12)))))),
      problems(detail.problem_list, detail.problems), figure, rows, more);
    await turn(0);
  });

  const drawSets = async () => {
    const all = await api("/api/sets");
    const asked = Number(new URLSearchParams(location.search).get("set"));
    Subtext.fill(find("st-sets"), ...(all.length ? all.map((set) => {
      const body = el("div", { class: "st-set-body" });
      const item = el("details", { class: "st-set", "data-set": set.id },
        el("summary", {}, el("b", {}, set.name), ` v${set.version} `, set.sample ? el("span", { class: "st-tag" }, "sample data") : null, el("span", { class: "st-tag" }, set.label),
          el("span", { class: "st-dim" }, `${describe(set)}${set.problems ? `, ${many(set.problems, "problem")}` : ""} · ${ago(set.created_at)}`)), body);
      item.addEventListener("toggle", () => { if (item.open && !body.childElementCount) open(set, body); });
      if (set.id === asked) item.open = true;
      return item;
    }) : [el("p", { class: "st-dim" }, "No set yet.")]));
  };
  await drawSets();
});
