// Settings: a table of roles with a try for each, and the cache of replies.
Subtext.settings = (element) => Subtext.page(element, "Settings", async () => {
  const { el, api, many, guarded, fill } = Subtext;
  const find = (id) => element.querySelector(`#${id}`);

  const key = (state) => {
    if (!state.key_variable) return el("span", { class: "st-dim" }, "none");
    return [el("code", {}, state.key_variable), " ", el("span", { class: state.key_set ? "st-tag" : "st-bad-text" }, state.key_set ? "set" : "not set")];
  };
  const row = (state) => {
    const said = el("p", { role: "status", "data-said": state.role });
    const button = el("button", { class: "st-button", type: "button", "data-try": state.role, "aria-label": `Try the ${state.role} model`, onclick: guarded(async () => {
      button.disabled = true;
      fill(said, el("span", { class: "st-dim" }, "Asking…"));
      try {
        const tried = await api(`/api/settings/roles/${state.role}/try`, {});
        fill(said, el("span", { class: tried.ok ? "" : "st-bad-text" }, tried.text));
      } catch (error) {
        fill(said);
        throw error;
      } finally {
        button.disabled = false;
      }
    }) }, "Try");
    const wide = (pixels) => ({ style: { "min-width": `${pixels}px` } });
    return el("tr", { "data-role": state.role }, el("td", wide(150), el("b", {}, state.role), el("div", { class: "st-dim" }, state.meaning)),
      el("td", wide(150), state.url ? el("code", {}, state.url) : state.kind === "folder" ? "a folder on this machine" : el("span", { class: "st-dim" }, "–")),
      el("td", wide(110), state.model ? el("code", {}, state.model) : "starter model"), el("td", wide(130), key(state)), el("td", wide(180), button, said));
  };

  const draw = async () => {
    const { roles, kept } = await api("/api/settings/roles");
    fill(find("st-roles"), el("div", { class: "st-scroll" }, el("table", { class: "st-table" },
      el("thead", {}, el("tr", {}, ["role", "server", "model", "key", "try"].map((name) => el("th", {}, name)))), el("tbody", {}, roles.map(row)))));
    fill(find("st-kept"), el("p", {}, `${kept.replies.toLocaleString("en")} kept, ${many(kept.characters, "character")} of text. `,
      el("span", { class: "st-dim" }, "The same question to the same model is answered from here. Empty it when a server got new weights under an old name.")),
      el("button", { class: "st-button", id: "st-forget", type: "button", disabled: !kept.replies, onclick: guarded(async () => {
        const { text } = await api("/api/settings/forget", {});
        Subtext.toast(text);
        await draw();
      }) }, "Forget them"));
  };
  await Promise.all([draw(), Subtext.servers(find("st-servers"), find("st-new-server"))]);
});
