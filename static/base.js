// The ground every page stands on: making elements (text only, never HTML), fetching, toasts, theme, keys.
(() => {
  "use strict";
  const Subtext = (window.Subtext = window.Subtext || {});

  // el("button", {class: "x", onclick: f, "aria-label": "y"}, "text", child, ...): text always becomes a text node.
  Subtext.el = (tag, attributes, ...children) => {
    const [name, space] = tag.startsWith("svg:") ? [tag.slice(4), "http://www.w3.org/2000/svg"] : [tag, null];
    const element = space ? document.createElementNS(space, name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (key === "style") for (const [property, what] of Object.entries(value)) element.style.setProperty(property, what);
      else element.setAttribute(key, value === true ? "" : value);
    }
    for (const child of children.flat(Infinity)) {
      if (child === null || child === undefined || child === false) continue;
      element.append(child.nodeType ? child : document.createTextNode(String(child)));
    }
    return element;
  };

  // Replace what a box holds; children that are null or false are left out.
  Subtext.fill = (box, ...children) =>
    box.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));

  // The answer as JSON; throws an Error whose message is a sentence for a person.
  Subtext.api = async (path, body) => {
    const options = body === undefined ? {} : {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
    };
    let answer;
    try {
      answer = await fetch(path, options);
    } catch {
      throw new Error("The server does not answer. It may have been stopped; start it again and reload this page.");
    }
    const data = await answer.json().catch(() => ({}));
    if (answer.ok) return data;
    if (answer.status === 401) location.href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
    const detail = typeof data.detail === "string" ? data.detail : null;
    throw new Error(data.error || detail || `The server answered ${answer.status}.`);
  };

  Subtext.toast = (text, kind) => {
    const box = document.querySelector(".st-toasts");
    const toast = Subtext.el("div", { class: `st-toast ${kind || ""}` }, text);
    box.append(toast);
    setTimeout(() => toast.remove(), 7000);
  };
  Subtext.guarded = (action) => async (...values) => {
    try { return await action(...values); } catch (error) { Subtext.toast(error.message, "st-bad"); return undefined; }
  };

  // A random name. `crypto.randomUUID` is missing on plain HTTP, where people rate on a server of their own network.
  Subtext.uuid = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

  Subtext.many = (count, noun) => `${count.toLocaleString("en")} ${count === 1 ? noun : noun.replace(/([^aeiou])y$/, "$1ie")}${count === 1 ? "" : "s"}`;
  Subtext.ago = (iso) => {
    const seconds = Math.max(0, (Date.now() - Date.parse(iso)) / 1000);
    for (const [size, name] of [[86400, "day"], [3600, "hour"], [60, "minute"]])
      if (seconds >= size) return `${Subtext.many(Math.floor(seconds / size), name)} ago`;
    return "just now";
  };
  // "0.78", "−0.46", "–" where there is no score.
  Subtext.score = (value) => (value === null || value === undefined ? "–" : value.toFixed(2).replace("-", "−"));

  // Nine steps of a brown-to-teal scale (colour-blind safe), by score in [-1, 1].
  Subtext.shade = (value) => (value === null || value === undefined ? "none" : String(Math.max(0, Math.min(8, Math.round((value + 1) * 4)))));
  Subtext.PERSONAS = {
    sociologist: "So", psychologist: "Ps", pragmatist: "Pr", pedagogue: "Pe", contrarian: "Co",
  };

  const dark = () => document.documentElement.classList.contains("dark");
  const paint = (on) => {
    for (const element of [document.documentElement, document.body]) if (element) element.classList.toggle("dark", on);
  };
  const wanted = () => {
    const kept = localStorage.getItem("subtext-theme");
    return kept ? kept === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  paint(wanted());
  document.addEventListener("DOMContentLoaded", () => paint(wanted()));

  // Keys: one listener; a page registers {key: [what it does, function]}. Typing fields and modifiers are left alone.
  let keys = {};
  Subtext.keys = (table) => { keys = { ...keys, ...table }; };
  const typing = (target) => target && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return;
    if (typing(event.target)) { if (event.key === "Escape") event.target.blur(); return; }
    const entry = keys[event.key];
    if (!entry) return;
    if (event.target.tagName === "BUTTON" && (event.key === "Enter" || event.key === " ")) return;
    event.preventDefault();
    entry[1](event);
  }, true);

  Subtext.dialog = (title, ...content) => {
    const { el } = Subtext;
    const close = el("button", { class: "st-button", type: "button", onclick: () => dialog.close() }, "Close");
    const dialog = el("dialog", { class: "st-dialog", "aria-label": title }, el("h2", {}, title), ...content, el("div", { class: "st-actions" }, close));
    document.querySelector(".st-page").append(dialog);
    dialog.addEventListener("close", () => dialog.remove());
    dialog.showModal();
    return dialog;
  };
  const showKeys = () => {
    const { el } = Subtext;
    const rows = Object.entries(keys).map(([key, [what]]) =>
      el("tr", {}, el("td", {}, el("kbd", {}, key.replace("Arrow", "").replace(/^ $/, "Space"))), el("td", {}, what)));
    Subtext.dialog("Keys", el("table", { class: "st-keys" }, el("tbody", {}, rows)));
  };

  const ROLES = ["visitor", "annotator", "researcher", "admin"];
  // Who is signed in: the header says so, and links that lead nowhere for this role are left out.
  const showSession = async (element) => {
    const box = element.querySelector("#st-mode");
    if (!box) return;
    const { el } = Subtext;
    const who = await (await fetch("/api/session")).json();
    for (const link of element.querySelectorAll("nav a[data-role]")) link.hidden = ROLES.indexOf(who.role) < ROLES.indexOf(link.dataset.role);
    const more = element.querySelector(".st-nav-more");
    if (more) more.hidden = [...more.querySelectorAll("a")].every((link) => link.hidden);
    if (who.single) {
      box.textContent = "single user";
      box.title = "Served on this machine only, without accounts: whoever uses it may do everything. The People page adds accounts.";
      return;
    }
    const out = el("button", { class: "st-button st-quiet", id: "st-sign-out", type: "button", onclick: async () => { await fetch("/api/session", { method: "DELETE" }); location.href = "/sign-in"; } }, "Sign out");
    box.replaceChildren(el("span", { title: `role: ${who.role}` }, who.name || ""), out);
  };

  // The pages behind "More": open until something else is clicked, or Escape.
  const wireMore = (element) => {
    const button = element.querySelector("#st-more");
    if (!button) return;
    const turn = (open) => button.setAttribute("aria-expanded", String(open));
    button.addEventListener("click", () => turn(button.getAttribute("aria-expanded") !== "true"));
    document.addEventListener("click", (event) => { if (!button.parentElement.contains(event.target)) turn(false); });
    button.parentElement.addEventListener("keydown", (event) => { if (event.key === "Escape") { turn(false); button.focus(); } });
    button.parentElement.addEventListener("focusout", (event) => { if (event.relatedTarget && !button.parentElement.contains(event.relatedTarget)) turn(false); });
  };

  // Called once by every page: wires the header and says when the page is ready.
  Subtext.page = async (element, title, fill) => {
    document.title = `${title} · Subtext`;
    paint(wanted());
    element.querySelector("#st-theme").addEventListener("click", () => {
      localStorage.setItem("subtext-theme", dark() ? "light" : "dark");
      paint(!dark());
    });
    Subtext.keys({ "?": ["show this list", showKeys] });
    element.querySelector("#st-keys").addEventListener("click", showKeys);
    wireMore(element);
    const here = element.querySelector("nav a[aria-current]"), nav = element.querySelector("nav");
    if (here) nav.scrollLeft = here.offsetLeft - nav.offsetLeft - (nav.clientWidth - here.offsetWidth) / 2;
    await Promise.all([Subtext.guarded(fill)(), Subtext.guarded(showSession)(element)]);
    element.querySelector(".st-page").dataset.ready = "true";
  };
})();
