// People: the first account of a server, invitations, roles, locks.
Subtext.people = (element) => Subtext.page(element, "People", async () => {
  const { el, api, fill, guarded, ago } = Subtext;
  const find = (id) => element.querySelector(`#${id}`);
  const MEANING = {
    visitor: "tries the demo", annotator: "rates dialogues", researcher: "data, trees, studies, jobs", admin: "everything, and people",
  };
  const roleChoice = (roles, chosen, label) => el("select", { "aria-label": label }, roles.map((role) => el("option", { value: role, selected: role === chosen }, `${role} – ${MEANING[role]}`)));

  const drawInvitations = (invitations) => {
    const revoke = (item) => el("button", { class: "st-button st-quiet", type: "button", onclick: guarded(async () => { await api(`/api/people/invitations/${item.id}/revoke`, {}); drawInvitations((await api("/api/people")).invitations); }) }, "Take back");
    const rows = invitations.map((item) => el("tr", { "data-invited": item.name }, [item.name || "–", item.role, item.invited_by, item.expires_at.slice(0, 10), revoke(item)].map((cell) => el("td", {}, cell))));
    fill(find("st-invitations"), rows.length ? el("div", { class: "st-scroll" }, el("table", { class: "st-table" }, el("thead", {}, el("tr", {}, ["For", "Role", "Invited by", "Until", "Actions"].map((text) => el("th", {}, text)))), el("tbody", {}, rows))) : el("p", { class: "st-dim" }, "None waits."));
  };
  const draw = async () => {
    const { people, roles, invitations } = await api("/api/people");
    const outcome = el("div", { role: "status" });
    const name = el("input", { id: "st-person", maxlength: 80, required: true });
    const password = el("input", { id: "st-new-password", type: "password", autocomplete: "new-password", minlength: 10, maxlength: 200 });
    if (!people.length) {
      find("st-add-title").textContent = "Make the first account";
      fill(find("st-add"), el("p", {}, "There are no accounts: whoever uses this machine may do everything. Once there is an admin, everybody has to sign in."),
        el("form", { class: "st-form", onsubmit: guarded(async (event) => { event.preventDefault(); await api("/api/people", { name: name.value, password: password.value, role: "admin" }); location.href = "/sign-in?next=/people"; }) },
          el("label", {}, "Your name", name), el("label", {}, "Password", password), el("button", { class: "st-button st-primary", id: "st-first" }, "Make the admin account")));
      drawInvitations(invitations);
      return fill(find("st-people"), el("p", { class: "st-dim" }, "None."));
    }
    find("st-add-title").textContent = "Let somebody in";
    const role = roleChoice(roles, "annotator", "Role");
    fill(find("st-add"), el("form", { class: "st-form", onsubmit: guarded(async (event) => {
      event.preventDefault();
      const { link } = await api("/api/people/invitations", { name: name.value, role: role.value });
      fill(outcome, el("p", { class: "st-note" }, `Send this link to ${name.value}. It makes one account, within seven days, and is shown only now.`), el("code", { class: "st-link", id: "st-invitation" }, new URL(link, location.href).href));
      drawInvitations((await api("/api/people")).invitations);
    }) }, el("label", {}, "For", name), el("label", {}, "Role", role), el("button", { class: "st-button st-primary", id: "st-invite" }, "Make an invitation link")), outcome);

    drawInvitations(invitations);
    const act = (person, text, body) => el("button", { class: "st-button st-quiet", type: "button", onclick: guarded(async () => { await api(`/api/people/${person.id}`, body); await draw(); }) }, text);
    fill(find("st-people"), el("div", { class: "st-scroll" }, el("table", { class: "st-table" }, el("thead", {}, el("tr", {}, ["Name", "Role", "Since", "Actions"].map((text) => el("th", {}, text)))),
      el("tbody", {}, people.map((person) => {
        const choice = roleChoice(roles, person.role, `Role of ${person.name}`);
        choice.addEventListener("change", guarded(async () => { try { await api(`/api/people/${person.id}`, { role: choice.value }); } finally { await draw(); } }));
        return el("tr", { "data-person": person.name }, el("td", {}, person.name, person.disabled ? el("span", { class: "st-tag" }, "cannot sign in") : null), el("td", {}, choice), el("td", {}, ago(person.created_at)),
          el("td", { class: "st-actions" }, person.disabled ? act(person, "Let in again", { disabled: false }) : act(person, "Shut out", { disabled: true }), act(person, "Unlock", { unlock: true })));
      })))));
  };
  await draw();
});
