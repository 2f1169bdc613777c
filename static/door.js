// Signing in, and making an account from an invitation.
(() => {
  const form = (element, button, { name = "", again }, send) => {
    const { el, fill } = Subtext;
    const who = el("input", { id: "st-name", autocomplete: "username", required: true, maxlength: 80, autofocus: true });
    const password = el("input", { id: "st-password", type: "password", autocomplete: again ? "new-password" : "current-password", required: true, maxlength: 200 });
    const problem = el("p", { class: "st-warning", role: "alert", hidden: true });
    who.value = name;
    const submit = async (event) => {
      event.preventDefault();
      problem.hidden = true;
      try { await send(who.value, password.value); } catch (error) { problem.textContent = error.message; problem.hidden = false; password.select(); }
    };
    fill(element.querySelector("#st-door"), el("form", { class: "st-form st-upright", onsubmit: submit },
      el("label", {}, "Name", who), el("label", {}, "Password", password, again ? el("span", { class: "st-dim" }, "at least 10 characters") : null), problem,
      el("button", { class: "st-button st-primary", id: "st-enter" }, button)));
    who.focus();
  };
  const call = async (path, key, body) => {
    const answer = await fetch(path, { method: body ? "POST" : "GET", headers: { "content-type": "application/json", "x-invitation-key": key }, body: body && JSON.stringify(body) });
    const data = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(data.error || data.detail || `The server answered ${answer.status}.`);
    return data;
  };
  // Only an address of this server: browsers read "/\t/other.example" and its like as another site.
  const next = () => {
    try {
      const wanted = new URL(new URLSearchParams(location.search).get("next") || "/", location.origin);
      return wanted.origin === location.origin ? wanted.pathname + wanted.search + wanted.hash : "/";
    } catch { return "/"; }
  };

  Subtext.signIn = (element) => Subtext.page(element, "Sign in", async () => {
    form(element, "Sign in", {}, async (name, password) => { await call("/api/session", "", { name, password }); location.href = next(); });
  });
  Subtext.join = (element) => Subtext.page(element, "Join", async () => {
    const key = new URLSearchParams(location.search).get("key") || "";
    const { el, fill } = Subtext;
    try {
      const found = await call("/api/join", key);
      form(element, "Make the account", { name: found.name, again: true }, async (name, password) => { await call("/api/join", key, { name, password }); location.href = "/"; });
      element.querySelector("#st-door").prepend(el("p", {}, `You were invited as ${found.role}. Choose a name and a password.`));
    } catch (error) {
      fill(element.querySelector("#st-door"), el("p", { class: "st-warning", role: "alert" }, error.message), el("a", { class: "st-button", href: "/sign-in" }, "Sign in"));
    }
  });
})();
