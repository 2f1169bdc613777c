// Where each node of a tree stands: levels from left to right, leaves one under another. No recursion: trees may be deep.
Subtext.layout = (nodes, collapsed, size) => {
  const children = new Map(nodes.map((node) => [node.key, []]));
  const known = new Map(nodes.map((node) => [node.key, node]));
  const tops = [];
  for (const node of nodes) {
    if (node.parent !== undefined && node.parent !== null && children.has(node.parent)) children.get(node.parent).push(node.key);
    else tops.push(node.key);
  }
  const order = []; // visible nodes, parents before children, in reading order
  const level = new Map();
  const stack = tops.slice().reverse().map((key) => [key, 0]);
  while (stack.length) {
    const [key, depth] = stack.pop();
    order.push(key);
    level.set(key, depth);
    if (!collapsed.has(key)) for (const child of children.get(key).slice().reverse()) stack.push([child, depth + 1]);
  }
  const y = new Map();
  let row = 0;
  for (const key of order) if (collapsed.has(key) || !children.get(key).length) y.set(key, row++ * (size.height + size.gapY));
  for (const key of order.slice().reverse()) {
    if (y.has(key)) continue;
    const below = children.get(key);
    y.set(key, (y.get(below[0]) + y.get(below[below.length - 1])) / 2);
  }
  const place = new Map(order.map((key) => [key, { x: level.get(key) * (size.width + size.gapX), y: y.get(key) }]));
  const deepest = Math.max(0, ...level.values());
  return {
    order, place, children, known,
    width: (deepest + 1) * (size.width + size.gapX) - size.gapX,
    height: Math.max(1, row) * (size.height + size.gapY) - size.gapY,
  };
};

// From below the root down to a node.
Subtext.chain = (known, key) => {
  const found = [];
  for (let node = known.get(key); node && node.kind !== "root"; node = known.get(node.parent)) found.unshift(node);
  return found;
};
