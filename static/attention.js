// Attention: which view the address asks for: a job, slices that were seen, or the forms.
Subtext.attention = (element) => Subtext.page(element, "Attention", async () => {
  const { el, api, fill } = Subtext;
  const box = element.querySelector("#st-attention"), name = element.querySelector("#st-attention-name"), query = new URLSearchParams(location.search);
  const show = async () => {
    const form = await api("/api/attention"), job = query.get("job");
    if (job !== null && /^\d{1,15}$/.test(job)) {
      name.before(el("p", { class: "st-back" }, el("a", { href: "/attention" }, "← Attention")));
      const title = await Subtext.attentionRun(box, Number(job), form);
      name.textContent = title;
      document.title = `${title.slice(0, 80)} · Subtext`;
      return;
    }
    const shown = Subtext.attentionLook(box, form);
    await Subtext.attentionOrder(box, form);
    const kept = (query.get("of") || "").split(",").filter((one) => /^[\w-]{1,80}$/.test(one)).slice(0, 8);
    if (kept.length) await shown(kept);
  };
  // What cannot be shown says why in its place, not only in passing.
  await show().catch((error) => box.append(el("p", { class: "st-warning", role: "alert" }, error.message)));
});
