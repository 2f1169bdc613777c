// Dialogues: which view the address asks for, and the list of simulations.
(() => {
  "use strict";
  const Subtext = (window.Subtext = window.Subtext || {});
  Subtext.simulating = {
    address: (id, change = {}) => `/simulate?${new URLSearchParams(Object.entries({ simulation: id, ...change }).filter(([, value]) => value !== null && value !== undefined && value !== "").map(([key, value]) => [key, String(value)]))}`,
  };

  Subtext.simulate = (element) => Subtext.page(element, "Dialogues", async () => {
    const { el, api, fill, many, ago } = Subtext, { card } = Subtext.evaluating, { address } = Subtext.simulating;
    const box = element.querySelector("#st-simulate"), name = element.querySelector("#st-simulate-name");
    const query = new URLSearchParams(location.search);
    const asked = (key) => { const value = query.get(key); return value !== null && /^\d{1,9}$/.test(value) ? Number(value) : null; };
    const id = asked("simulation");
    const called = (title) => { name.textContent = title; document.title = `${title.length > 80 ? `${title.slice(0, 79)}…` : title} · Subtext`; };
    const back = (href, text) => name.before(el("p", { class: "st-back" }, el("a", { href }, `← ${text}`)));

    const list = async () => {
      const found = await api("/api/simulations");
      const state = (one) => (one.finished_at && !Subtext.alive(one.status) ? "finished" : one.status || "stopped");
      return card("st-simulations", "Simulations", found.length ? el("ul", { class: "st-next" }, found.map((one) => el("li", { "data-simulation": one.id }, el("span", {}, el("a", { href: address(one.id) }, one.name), " ", el("span", { class: "st-tag st-status", "data-status": one.status || "done" }, state(one))),
        el("span", { class: "st-dim" }, `${one.data.people === 1 ? "1 person" : `${one.data.people.toLocaleString("en")} people`} of ${one.data.name} v${one.data.version} · ${many(one.models, "model")} · ${many(one.turns, "turn")} · ${one.judges.length ? `judged by ${one.judges.join(", ")}` : "for people to rate"} · ${ago(one.created_at)} `, one.job ? el("a", { href: `/jobs?job=${one.job}` }, `Job ${one.job}`) : null)))) : el("p", { class: "st-dim", id: "st-no-simulations" }, "None yet. The form below starts one."));
    };
    const show = async () => {
      if (id === null) { fill(box, await list()); await Subtext.simform(box); return; }
      const cell = asked("line") !== null;
      back(cell ? address(id) : "/simulate", cell ? "Report" : "All simulations");
      called(await (cell ? Subtext.simdialogues : Subtext.simreport)(box, id));
    };
    // What cannot be shown says why in its place, not only in passing.
    await show().catch((error) => fill(box, el("p", { class: "st-warning", role: "alert" }, error.message)));
  });
})();
