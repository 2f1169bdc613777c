// Model servers of our own: a card for each, looked at every two seconds while this tab is seen, and a form for a new one.
Subtext.servers = async (box, below) => {
  const { el, api, fill, guarded } = Subtext;
  const MARKS = { starting: "◐", up: "✓", ended: "✕" };
  const STATUS = { starting: "running", up: "done", ended: "failed" }; // the colours of jobs
  const KEPT = 20000;
  const cards = new Map();

  const copied = (text) => guarded(async () => { await navigator.clipboard.writeText(text); Subtext.toast("Copied."); });
  const shown = (text, id) => el("div", { class: "st-command" }, el("pre", { class: "st-raw", tabindex: "0", id }, text), el("button", { class: "st-button", type: "button", "aria-label": `Copy ${id.split("-")[1]}`, onclick: copied(text) }, "Copy"));
  const stop = (server) => {
    const ended = server.state === "ended" && !server.left;
    const button = el("button", { class: "st-button st-danger", type: "button", id: "st-stop-sure" }, ended ? "Take it off the list" : "Stop the server");
    const said = el("p", { role: "status", id: "st-freed" });
    const dialog = Subtext.dialog(`Stop ${server.name}?`, el("p", {}, ended ? "It has ended already. Its log stays." : "Answers that it is writing are lost. Its processes are asked to end, then killed."), button, said);
    button.addEventListener("click", guarded(async () => {
      button.disabled = true;
      fill(said, "Ending its processes and waiting until their memory is free…");
      try {
        const { text } = await api(`/api/servers/${server.port}/stop`, { pid: server.pid });
        fill(said, text);
        button.remove();
        await look();
      } catch (error) { dialog.close(); throw error; }
    }));
  };
  const roles = (server) => {
    const lines = el("div", {});
    const choice = el("select", { "aria-label": `Role for ${server.name}` }, Object.keys(server.roles).map((role) => el("option", {}, role)));
    const show = () => fill(lines, shown(server.roles[choice.value], `st-settings-${server.port}`));
    choice.addEventListener("change", show);
    show();
    return el("details", { "data-part": "role" }, el("summary", {}, "Use it for a role"), el("p", {}, "Set these variables and start Subtext again. ", choice), lines);
  };
  const make = (server) => {
    const card = { key: server.pid, offset: -1, text: "", drawn: "" };
    card.head = el("div", {});
    card.log = el("pre", { class: "st-raw st-log", tabindex: "0", role: "region", "aria-label": `Log of ${server.name}` });
    card.details = el("details", { "data-part": "log", ontoggle: () => readLog(server.port, card)() }, el("summary", {}, "Log"), el("p", { class: "st-dim" }, server.log), card.log);
    card.element = el("article", { class: "st-card", "data-server": server.port }, card.head, card.details,
      el("details", { "data-part": "command" }, el("summary", {}, "Command"), shown(server.command, `st-command-${server.port}`)), roles(server));
    return card;
  };
  // One reader at a time: two answers to one question would write the log twice.
  const readLog = (port, card) => guarded(async () => {
    if (!card.details.open || card.reading) return;
    card.reading = true;
    try {
      const piece = await api(`/api/servers/${port}/log?offset=${card.offset}`);
      const atEnd = card.log.scrollTop + card.log.clientHeight >= card.log.scrollHeight - 30;
      card.text = (piece.offset === card.offset ? card.text + piece.text : piece.text).slice(-KEPT);
      card.offset = piece.gone ? -1 : piece.next;
      const clean = (piece.gone || card.text || "Nothing has been written yet.").replace(/\x1b\[[0-9;?]{0,20}[A-Za-z]/g, "");
      if (card.log.textContent !== clean) card.log.textContent = clean;
      if (atEnd) card.log.scrollTop = card.log.scrollHeight;
    } finally { card.reading = false; }
  });
  const update = (server) => {
    let card = cards.get(server.port);
    if (!card || card.key !== server.pid) cards.set(server.port, (card = make(server)));
    const now = JSON.stringify([server.state, server.text, server.left]);
    if (now !== card.drawn) {
      card.drawn = now;
      const focused = card.head.contains(document.activeElement);
      fill(card.head, el("div", { class: "st-job-head" }, el("h3", { class: "st-server-name" }, server.name), el("span", { class: "st-tag st-status", "data-status": STATUS[server.state] }, `${MARKS[server.state]} ${server.state}`),
        el("div", { class: "st-actions" }, el("button", { class: "st-button st-danger", type: "button", "data-stop": server.port, "aria-label": `Stop ${server.name} on port ${server.port}`, onclick: () => stop(server) }, "Stop…"))),
        el("p", { class: "st-dim" }, `${server.device} · process ${server.pid} · `, el("code", {}, server.url)),
        server.state === "ended" ? el("p", { class: "st-warning", role: "alert", "data-said": "server" }, server.text, server.left ? ` It left ${server.left === 1 ? "a process" : `${server.left} processes`} behind: stop it to free the memory.` : "") : el("p", { class: "st-dim", "data-said": "server" }, server.text));
      if (focused) card.head.querySelector("button").focus();
    }
    readLog(server.port, card)();
    return card.element;
  };

  const none = el("p", { class: "st-dim" }, "No server of ours runs.");
  const place = (wanted) => {
    for (const child of [...box.children]) if (!wanted.includes(child)) child.remove();
    wanted.forEach((element, index) => { if (box.children[index] !== element) box.insertBefore(element, box.children[index] || null); });
  };
  const looked = async () => {
    const { servers } = await api("/api/servers");
    for (const port of [...cards.keys()]) if (!servers.some((server) => server.port === port)) cards.delete(port);
    place(servers.length ? servers.map(update) : [none]);
  };
  let last = Promise.resolve();
  const look = () => (last = last.catch(() => {}).then(looked));

  const input = (id, attributes) => el("input", { id: `st-server-${id}`, autocomplete: "off", ...attributes });
  const fields = {
    model: input("model", { required: true, maxlength: 1000, placeholder: "/models/Qwen3-8B or Qwen/Qwen3-8B" }),
    name: input("name", { maxlength: 100, placeholder: "last part of the model" }),
    device: input("device", { value: "cpu", pattern: "cpu|cuda:[0-9]{1,2}", title: "cpu or cuda:N" }),
    port: input("port", { type: "number", min: 0, max: 65535, placeholder: "a free one" }),
    max_model_len: input("length", { type: "number", min: 16, max: 1048576, value: 4096, required: true }),
    kv_cache_gib: input("cache", { type: "number", min: 1, max: 1024, value: 2, required: true }),
    memory_share: input("share", { type: "number", min: 0.05, max: 1, step: 0.05, value: 0.9, required: true }),
  };
  const note = el("p", { role: "alert", class: "st-warning", id: "st-server-problem", hidden: true });
  const button = el("button", { class: "st-button st-primary", id: "st-start-server" }, "Start the server");
  const cache = el("label", {}, "Cache, GiB", fields.kv_cache_gib), share = el("label", {}, "Share of the GPU's memory", fields.memory_share);
  const device = () => { const cpu = !fields.device.value.startsWith("cuda"); cache.hidden = !cpu; share.hidden = cpu; };
  fields.device.addEventListener("input", device);
  device();
  const begin = async (event) => {
    event.preventDefault();
    button.disabled = true;
    note.hidden = true;
    const model = fields.model.value.trim();
    const number = (name) => Number(fields[name].value || 0);
    try {
      await api("/api/servers", { model, name: fields.name.value.trim() || model.replace(/\/+$/, "").split("/").pop(), device: fields.device.value.trim(),
        port: number("port"), max_model_len: number("max_model_len"), kv_cache_gib: number("kv_cache_gib"), memory_share: number("memory_share") });
      await look();
    } catch (error) {
      fill(note, error.message);
      note.hidden = false;
    } finally { button.disabled = false; }
  };
  fill(below, el("h3", {}, "Start a server"), el("form", { class: "st-form st-server-form", onsubmit: begin },
    el("label", {}, "Model: a folder on this machine, or a name on the hub", fields.model), el("label", {}, "Name that clients ask for", fields.name), el("label", {}, "Device", fields.device),
    el("label", {}, "Port", fields.port), el("label", {}, "Longest prompt and answer, tokens", fields.max_model_len), cache, share, button), note);

  await look();
  const timer = setInterval(() => {
    if (!box.isConnected) clearInterval(timer);
    else if (!document.hidden) look().catch(() => {});
  }, 2000);
};
