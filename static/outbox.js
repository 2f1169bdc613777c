// The outbox: what a rater did and the server has not acknowledged yet. Kept in localStorage under the rater's own opaque name, so
// that neither another person in this browser nor a new link loses it; sent in order, one batch in flight. Dropped is only what
// the server will never take.
Subtext.outbox = (who, { sent, refused, state }) => {
  const HALT = { 401: "sign-in", 403: "sign-in", 428: "consent" }; // trying again does not help until the rater does something
  let slot = null, flying = false, wait = 500, timer = 0, halted = "", alone = false;
  const parked = new Set(); // dialogues that the server does not know: kept, tried again when the page is loaded anew
  const read = () => { try { return (slot && JSON.parse(localStorage.getItem(slot))) || []; } catch { return []; } };
  const write = (items) => localStorage.setItem(slot, JSON.stringify(items));
  const drop = (batch) => { const gone = new Set(batch.map((item) => item.act.client_id)); write(read().filter((item) => !gone.has(item.act.client_id))); };
  const ready = () => read().filter((item) => !parked.has(item.token));

  const post = async (token, batch) => {
    try {
      const answer = await fetch("/api/rate/acts", {
        method: "POST", headers: { "content-type": "application/json", ...who },
        body: JSON.stringify({ token, holder: Subtext.holder(), acts: batch.map((item) => item.act) }),
      });
      return [answer.status, await answer.json()];
    } catch { return [0, {}]; }
  };
  const pump = async () => {
    clearTimeout(timer);
    const items = ready(), from = slot;
    if (flying || halted === "consent" || !items.length) return;
    flying = true;
    const token = items[0].token;
    const batch = items.filter((item) => item.token === token).slice(0, alone ? 1 : 20);
    state("saving", batch);
    const [status, data] = await post(token, batch);
    flying = false;
    if (slot !== from) return pump(); // somebody else sits here now; what was sent is sent again when its owner is back
    if (status === 200) {
      const done = new Set(data.saved);
      drop(batch.filter((item) => done.has(item.act.client_id)));
      wait = 500;
      halted = "";
      state(ready().length ? "saving" : "saved", batch);
      sent(batch, data.sheet);
      return pump();
    }
    if (status === 422 && batch.length > 1) { // one of them is wrong: find out which, and keep the others
      alone = true;
      return pump();
    }
    if (status === 409 || status === 410 || status === 422) { // closed, handed to somebody else, or no rating: never taken
      drop(batch);
      refused(data, batch);
      return pump();
    }
    if (status === 404) {
      parked.add(token);
      state("parked", batch);
      refused({ ...data, code: "parked" }, batch);
      return pump();
    }
    if (HALT[status]) {
      halted = HALT[status];
      state("waiting", batch);
      return refused({ ...data, error: data.error || data.detail, code: halted }, batch);
    }
    if (status === 423) refused(data, []);
    state("offline", batch);
    wait = Math.min(wait * 2, 8000);
    timer = setTimeout(pump, wait * (0.7 + Math.random() * 0.6));
    return undefined;
  };
  addEventListener("online", () => { wait = 500; pump(); });
  return {
    open(rater) { if (slot === `subtext-outbox-${rater}`) return; slot = `subtext-outbox-${rater}`; parked.clear(); halted = ""; alone = false; },
    add(token, act) { write([...read(), { token, act }]); alone = false; pump(); },
    waiting: (token) => read().filter((item) => item.token === token).map((item) => item.act),
    discard() { write(ready()); parked.clear(); },
    go() { halted = ""; pump(); },
    stop() { halted = "consent"; },
    clear() { if (slot) localStorage.removeItem(slot); },
    pump,
    get size() { return ready().length; },
    get parked() { return read().filter((item) => parked.has(item.token)).length; },
  };
};

// A name for this tab, so that a second tab on the same dialogue is noticed.
Subtext.holder = () => {
  let name = sessionStorage.getItem("subtext-tab");
  if (!name) { name = Subtext.uuid(); sessionStorage.setItem("subtext-tab", name); }
  return name;
};
