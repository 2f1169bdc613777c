// A text with a colour under every token: one text node, so it can be selected as it is, over canvas tiles that scroll with it.
// Tokens are measured once for each layout. Knows places and numbers; not what they mean.
Subtext.ribbon = (box, { label, over, focus, away }) => {
  const { el, fill } = Subtext;
  const TILE = 1000; // px
  const text = el("div", { class: "st-ribbon-text" });
  const under = el("div", { class: "st-ribbon-under", "aria-hidden": "true" }), marks = el("div", { class: "st-ribbon-marks", "aria-hidden": "true" });
  const inner = el("div", { class: "st-ribbon-inner" }, under, text, marks);
  const frame = el("div", { class: "st-ribbon", tabindex: "0", role: "group", "aria-label": label }, inner);
  fill(box, frame);
  let node = null, ends = new Int32Array(0), paint = null, at = -1, spans = [], chosen = -1;
  let rects = { x: [], y: [], width: [], height: [], token: [] }, first = [], tiles = [], width = 0;

  const measure = () => {
    rects = { x: [], y: [], width: [], height: [], token: [] };
    first = new Int32Array(ends.length).fill(-1);
    if (node) {
      const base = inner.getBoundingClientRect(), range = document.createRange();
      for (let token = 0, start = 0; token < ends.length; token += 1) {
        const end = ends[token];
        if (end > start) {
          range.setStart(node, start);
          range.setEnd(node, end);
          first[token] = rects.x.length;
          for (const rect of range.getClientRects()) {
            rects.x.push(rect.left - base.left); rects.y.push(rect.top - base.top);
            rects.width.push(Math.max(rect.width, 3)); rects.height.push(rect.height); rects.token.push(token);
          }
        }
        start = end;
      }
    }
    width = inner.clientWidth;
    const height = inner.clientHeight;
    tiles = Array.from({ length: Math.ceil(height / TILE) }, (_, place) => {
      const canvas = el("canvas", { style: { top: `${place * TILE}px`, width: `${width}px`, height: `${Math.min(TILE, height - place * TILE)}px` } });
      return { canvas, top: place * TILE, height: Math.min(TILE, height - place * TILE), drawn: false };
    });
    fill(under, tiles.map((tile) => tile.canvas));
    inner.dataset.measured = String(rects.x.length);
  };
  // The first rectangle whose bottom lies below y; rectangles follow the text, so their bottoms grow.
  const search = (y) => {
    let low = 0, high = rects.x.length;
    while (low < high) { const middle = (low + high) >> 1; if (rects.y[middle] + rects.height[middle] <= y) low = middle + 1; else high = middle; }
    return low;
  };
  const draw = (tile) => {
    const ratio = Math.min(window.devicePixelRatio || 1, 2), style = getComputedStyle(frame);
    tile.canvas.width = Math.max(1, Math.round(width * ratio));
    tile.canvas.height = Math.max(1, Math.round(tile.height * ratio));
    const brush = tile.canvas.getContext("2d");
    brush.scale(ratio, ratio);
    const colours = { low: style.getPropertyValue("--st-low"), high: style.getPropertyValue("--st-high"), more: style.getPropertyValue("--st-more"), line: style.getPropertyValue("--st-focus"), bare: style.getPropertyValue("--st-dim") };
    for (let place = search(tile.top - 60); place < rects.x.length && rects.y[place] < tile.top + tile.height + 60; place += 1) {
      const token = rects.token[place], { colour, strength, line, bare } = paint(token), y = rects.y[place] - tile.top;
      if (strength > 0) {
        brush.globalAlpha = Math.min(1, strength);
        brush.fillStyle = colours[colour];
        brush.fillRect(rects.x[place], y - 1, rects.width[place], rects.height[place] + 2);
      }
      if (bare) {
        brush.globalAlpha = 1;
        brush.fillStyle = colours.bare;
        for (let x = rects.x[place]; x < rects.x[place] + rects.width[place] - 1; x += 4) brush.fillRect(x, y + rects.height[place] - 1, 1.5, 1.5);
      }
      if (line) {
        brush.globalAlpha = 1;
        brush.fillStyle = colours.line;
        brush.fillRect(rects.x[place], y + rects.height[place] - 0.5, rects.width[place], 2.5);
      }
    }
    tile.drawn = true;
  };
  const show = () => {
    if (!paint) return;
    for (const tile of tiles) if (!tile.drawn && tile.top < frame.scrollTop + frame.clientHeight + TILE && tile.top + tile.height > frame.scrollTop - TILE) draw(tile);
  };
  // What is not seen yet is drawn while nothing else is to do, so that scrolling finds it ready.
  const idle = window.requestIdleCallback || ((act) => setTimeout(act, 50));
  let resting = false;
  const rest = () => {
    resting = false;
    const tile = paint && tiles.find((one) => !one.drawn);
    if (!tile) return;
    draw(tile);
    later();
  };
  const later = () => { if (!resting && tiles.length <= 60) { resting = true; idle(rest); } };
  const again = () => { for (const tile of tiles) tile.drawn = false; show(); later(); };

  const places = (token) => { const found = []; for (let place = first[token]; place >= 0 && rects.token[place] === token; place += 1) found.push(place); return found; };
  const mark = () => {
    const own = at < 0 ? [] : places(at).map((place) => el("i", { class: "st-ribbon-at", style: { left: `${rects.x[place]}px`, top: `${rects.y[place] - 1}px`, width: `${rects.width[place]}px`, height: `${rects.height[place] + 2}px` } }));
    fill(marks, own, bar());
  };
  // A bar beside the lines of the chosen step.
  const bar = () => {
    const span = spans[chosen];
    if (!span) return null;
    let from = -1, to = -1;
    for (let token = 0; token < ends.length; token += 1) if (ends[token] > span.start && (token ? ends[token - 1] : 0) < span.end) for (const place of places(token)) { if (from < 0) from = rects.y[place]; to = rects.y[place] + rects.height[place]; }
    return from < 0 ? null : el("i", { class: "st-ribbon-step", style: { top: `${from}px`, height: `${to - from}px` } });
  };
  const reveal = (token) => {
    const [place] = places(token);
    if (place === undefined) return;
    const top = rects.y[place], bottom = top + rects.height[place];
    if (top < frame.scrollTop + 8) frame.scrollTop = top - 24;
    else if (bottom > frame.scrollTop + frame.clientHeight - 24) frame.scrollTop = bottom - frame.clientHeight + 48;
  };
  const go = (token) => { at = token; mark(); if (token >= 0) reveal(token); };
  const hit = (event) => {
    const base = inner.getBoundingClientRect(), x = event.clientX - base.left, y = event.clientY - base.top;
    for (let place = search(y); place < rects.x.length && rects.y[place] <= y + 4; place += 1)
      if (rects.y[place] <= y && x >= rects.x[place] && x < rects.x[place] + rects.width[place]) return rects.token[place];
    return -1;
  };
  let waiting = 0;
  frame.addEventListener("mousemove", (event) => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => { const token = hit(event); if (token >= 0 && token !== at) { at = token; mark(); over(token); } });
  });
  frame.addEventListener("mouseleave", () => { cancelAnimationFrame(waiting); away(); });
  frame.addEventListener("click", (event) => { const token = hit(event); if (token >= 0 && String(getSelection()) === "") { go(token); focus(token); } });
  frame.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || !ends.length) return;
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const token = Math.max(0, Math.min(ends.length - 1, at + by));
    go(token);
    focus(token);
  });
  let soon = 0;
  frame.addEventListener("scroll", () => { cancelAnimationFrame(soon); soon = requestAnimationFrame(show); });
  new ResizeObserver(() => { if (node && inner.clientWidth !== width) { measure(); again(); mark(); } }).observe(frame);
  new MutationObserver(again).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
  document.fonts?.ready.then(() => { if (node) { measure(); again(); mark(); } });

  return {
    frame,
    // `words` is shown as it is; `places` are the ends of its tokens, `parts` its steps as {start, end}.
    take(words, places_, parts) {
      fill(text, words);
      node = text.firstChild;
      ends = places_; spans = parts; at = -1; chosen = -1; paint = null;
      frame.scrollTop = 0;
      measure();
      mark();
    },
    // `how(token)` gives {colour: "low" | "high" | "more", strength: 0 to 1, line: underlined, bare: without a value, dotted}.
    colour(how) { paint = how; again(); },
    step(place, scroll) {
      chosen = place;
      mark();
      const found = spans[place] ? ends.findIndex((end) => end > spans[place].start) : -1;
      if (scroll && found >= 0) reveal(found);
    },
    token: go,
    at: () => at,
  };
};
