// The outbox: what a rater did and the server has not acknowledged yet. Kept in localStorage, sent in order, one batch in flight.
Subtext.outbox = (key, who, { sent, refused, state }) => {
  const slot = `subtext-outbox-${key}`;
  const read = () => { try { return JSON.parse(localStorage.getItem(slot)) || []; } catch { return []; } };
  const write = (items) => localStorage.setItem(slot, JSON.stringify(items));
  let flying = false, wait = 500, timer = 0;

  const pump = async () => {
    clearTimeout(timer);
    const items = read();
    if (flying || !items.length) return;
    flying = true;
    const token = items[0].token;
    const batch = items.filter((item) => item.token === token).slice(0, 20);
    state("saving", batch);
    let answer = null, data = {};
    try {
      answer = await fetch("/api/rate/acts", {
        method: "POST", headers: { "content-type": "application/json", ...who },
        body: JSON.stringify({ token, holder: Subtext.holder(), acts: batch.map((item) => item.act) }),
      });
      data = await answer.json();
    } catch { answer = null; }
    flying = false;
    if (answer && answer.ok) {
      const done = new Set(data.saved);
      write(read().filter((item) => !done.has(item.act.client_id)));
      wait = 500;
      state(read().length ? "saving" : "saved", batch);
      sent(batch, data.sheet);
      pump();
    } else if (answer && (answer.status === 404 || answer.status === 409 || answer.status === 422 || answer.status === 428)) {
      const gone = new Set(batch.map((item) => item.act.client_id)); // will never be taken: say so, do not try for ever
      write(read().filter((item) => !gone.has(item.act.client_id)));
      refused(data, batch);
      pump();
    } else {
      if (answer && answer.status === 423) refused(data, []);
      state("offline", batch);
      wait = Math.min(wait * 2, 8000);
      timer = setTimeout(pump, wait * (0.7 + Math.random() * 0.6));
    }
  };
  addEventListener("online", () => { wait = 500; pump(); });
  return {
    add(token, act) { write([...read(), { token, act }]); pump(); },
    waiting: (token) => read().filter((item) => item.token === token).map((item) => item.act),
    pump,
    get size() { return read().length; },
  };
};

// A name for this tab, so that a second tab on the same dialogue is noticed.
Subtext.holder = () => {
  let name = sessionStorage.getItem("subtext-tab");
  if (!name) { name = crypto.randomUUID(); sessionStorage.setItem("subtext-tab", name); }
  return name;
};
