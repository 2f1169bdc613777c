// How numbers, outcomes and addresses of an evaluation are written, and the note that says why there is no number.
(() => {
  "use strict";
  const Subtext = (window.Subtext = window.Subtext || {});
  const none = (value) => value === null || value === undefined || Number.isNaN(value);
  const minus = (text) => text.replace("-", "−");
  const percent = (value, digits = 1) => (none(value) ? "–" : minus(value.toFixed(digits)));

  Subtext.evaluating = {
    none,
    percent,
    share: (value, digits = 1) => percent(none(value) ? value : 100 * value, digits),
    points: (value) => (none(value) ? "–" : `${value > 0 ? "+" : ""}${percent(100 * value)}`),
    number: (value, digits = 3) => (none(value) ? "–" : minus(value.toFixed(digits))),
    chance: (p) => (none(p) ? "–" : p < 0.001 ? "< 0.001" : p.toFixed(3)),
    // An interval of percents; of an interval of shares.
    span: (low, high) => (none(low) || none(high) ? "" : `${percent(low)} to ${percent(high)}`),
    between: ({ low, high }) => (none(low) || none(high) ? "" : `${percent(100 * low)} to ${percent(100 * high)}`),
    when: (iso) => (iso ? iso.slice(0, 16).replace("T", " ") : "–"),
    // What a check came to: a word and a mark, never a colour alone.
    outcome: (said) => Subtext.el("span", { class: "st-tag st-said", "data-said": said || "none" }, { yes: "✓ yes", no: "✕ no", cannot: "? cannot determine", "cannot determine": "? cannot determine", unparsed: "! no verdict", "no verdict": "! no verdict", failed: "! failed", tied: "= tied" }[said] || "– not asked"),
    state: (name) => ({ holds: "holds", fails: "does not hold", uncounted: "not counted" }[name] || name),
    check: (name) => name.replace(/_/g, " "),
    address: (id, change = {}) => `/evaluate?${new URLSearchParams(Object.entries({ evaluation: id, ...change }).filter(([, value]) => value !== null && value !== undefined && value !== "").map(([key, value]) => [key, String(value)]))}`,
    scroll: (label, ...content) => Subtext.el("div", { class: "st-scroll", tabindex: "0", role: "region", "aria-label": label }, ...content),
    card: (id, title, ...content) => Subtext.el("section", { class: "st-card", id, "aria-labelledby": `${id}-title` }, Subtext.el("h2", { id: `${id}-title` }, title), ...content),
    switcher: (label, options, chosen, choose) => Subtext.el("span", { class: "st-switch", role: "group", "aria-label": label }, options.map(([value, text]) => Subtext.el("button", { class: "st-button", type: "button", "data-choice": value, "aria-pressed": String(value === chosen), onclick: () => choose(value) }, text))),
    filters: (label, options, chosen, choose) => Subtext.el("div", { class: "st-filters", role: "group", "aria-label": label }, options.map(([value, text, count]) => Subtext.el("button", { class: "st-button", type: "button", "data-choice": value, "aria-pressed": String(value === chosen), onclick: () => choose(value) }, `${text[0].toUpperCase()}${text.slice(1)} (${count.toLocaleString("en")})`))),
    copy: (read) => Subtext.el("button", { class: "st-button", type: "button", onclick: Subtext.guarded(async () => { await navigator.clipboard.writeText(read()); Subtext.toast("Copied."); }) }, "Copy"),
  };

  // A note under whatever has the pointer or the focus: why a number is missing.
  Subtext.noted = (target, words) => {
    const box = () => {
      const known = document.getElementById("st-tip");
      if (known) return known;
      const made = Subtext.el("div", { class: "st-tip", role: "tooltip", id: "st-tip", hidden: true });
      document.querySelector(".st-page").append(made);
      return made;
    };
    const on = () => {
      const tip = box();
      tip.textContent = words.length > 700 ? `${words.slice(0, 699)}…` : words;
      tip.hidden = false;
      target.setAttribute("aria-describedby", "st-tip");
      const place = target.getBoundingClientRect(), own = tip.getBoundingClientRect();
      tip.style.left = `${Math.max(8, Math.min(place.left, innerWidth - own.width - 8))}px`;
      tip.style.top = `${place.bottom + own.height + 10 < innerHeight ? place.bottom + 6 : Math.max(8, place.top - own.height - 6)}px`;
    };
    const off = () => { box().hidden = true; target.removeAttribute("aria-describedby"); };
    for (const name of ["mouseenter", "focus"]) target.addEventListener(name, on);
    for (const name of ["mouseleave", "blur"]) target.addEventListener(name, off);
    target.setAttribute("title", words);
    return target;
  };
})();
