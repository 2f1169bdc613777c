// The log of a job: its end as it is written, a search that the server does, single lines in their place. Only text nodes.
Subtext.jobLog = (box, id) => {
  const { el, fill, api, guarded, many } = Subtext;
  const KEPT = 300000;
  const lines = document.createTextNode(""), open = document.createTextNode("");
  const view = el("pre", { class: "st-raw st-log", id: "st-log", tabindex: "0", role: "region", "aria-label": "Log" }, lines, open);
  const note = el("p", { class: "st-dim", id: "st-log-note" }), found = el("div", { id: "st-log-found", role: "status" });
  const word = el("input", { type: "search", id: "st-log-search", placeholder: "Search the log", "aria-label": "Search the log", maxlength: 200 });
  const size = (bytes) => (bytes < 1024 ? `${bytes} B` : bytes < 1048576 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1048576).toFixed(1)} MiB`);
  // Colours are dropped; of a line that was written over (progress bars) the last state stays.
  const clean = (text) => text.replace(/\x1b\[[0-9;?]{0,20}[A-Za-z]/g, "").replace(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, "");
  const last = (line) => { const parts = line.replace(/\r+$/, "").split("\r"); return parts[parts.length - 1]; };

  const look = guarded(async (hit) => {
    const start = Math.max(0, hit.offset - 4000);
    const piece = await api(`/api/jobs/${id}/log?offset=${start}`);
    Subtext.dialog(`Line ${hit.line}`, el("pre", { class: "st-raw", tabindex: "0" }, clean(piece.text).split("\n").map(last).map((line, index) => [index ? "\n" : "", line === last(clean(hit.text)) ? el("mark", {}, line) : line])));
  });
  const search = guarded(async () => {
    const q = word.value.trim();
    if (!q) return fill(found);
    const answer = await api(`/api/jobs/${id}/log/search?${new URLSearchParams({ q })}`);
    fill(found, el("p", { class: "st-dim" }, answer.hits.length ? `${answer.more ? "First " : ""}${many(answer.hits.length, "line")} with these letters` : "No line holds these letters.", answer.skipped ? `; the first ${size(answer.skipped)} of the log were not searched` : ""),
      el("ul", { class: "st-hits" }, answer.hits.map((hit) => el("li", {}, el("button", { class: "st-link", type: "button", onclick: () => look(hit) }, `${hit.line}`), ` ${last(clean(hit.text))}`))));
    return undefined;
  });
  fill(box, el("h3", {}, "Log"),
    el("form", { class: "st-log-bar", onsubmit: (event) => { event.preventDefault(); search(); } }, word, el("button", { class: "st-button" }, "Search"),
      el("a", { class: "st-button", href: `/api/jobs/${id}/file?path=log.txt`, download: "" }, "Download")), found, view, note);

  return {
    focus: () => word.focus(),
    // Adds a piece; returns the byte from which to ask on.
    take(piece, from) {
      const atEnd = view.scrollTop + view.clientHeight >= view.scrollHeight - 30;
      const anew = piece.offset !== from;
      if (anew) { lines.data = ""; open.data = ""; }
      if (piece.text) {
        const text = (open.data + piece.text).split("\n");
        if (anew && piece.offset && text.length > 1) text.shift(); // begins in the middle of a line
        open.data = clean(text.pop()).replace(/\0/g, "");
        if (text.length) lines.appendData(`${text.map((line) => last(clean(line))).join("\n")}\n`);
        if (lines.data.length > KEPT) lines.data = lines.data.slice(lines.data.indexOf("\n", lines.data.length - KEPT / 2) + 1);
        if (atEnd) view.scrollTop = view.scrollHeight;
      }
      note.textContent = piece.gone || (piece.size ? `${size(piece.size)} in all${piece.size > lines.data.length + 4096 ? "; the end is shown" : ""}.` : "Nothing has been written yet.");
      view.hidden = Boolean(piece.gone) && !lines.data && !open.data;
      return piece.gone ? -1 : piece.next;
    },
    size,
  };
};
