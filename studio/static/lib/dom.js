// Making elements. Text from a person or a model enters the page here, as text nodes only.

/** h("button.btn.main", {onclick, title}, "Save") → element. Children: nodes, strings, or nothing. */
export function h(spec, props = {}, ...children) {
  const [tag, ...classes] = spec.split(".");
  const node = document.createElement(tag || "div");
  if (classes.length) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") node.style.cssText = value;
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

export function s(tag, props = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children.filter(Boolean));
  return node;
}

/** Puts `nodes` into `parent` in this order, touching only what is not already in place. */
export function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, at) => {
    if (parent.children[at] !== node) parent.insertBefore(node, parent.children[at] || null);
  });
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Lets a textarea be as tall as its text. */
export function growWithText(area) {
  const fit = () => {
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight + 2, 420)}px`;
  };
  area.addEventListener("input", fit);
  requestAnimationFrame(fit);
}

/** Shows a picture without a flash: the old one stays until the new one is decoded; the newest one asked for wins. */
export function swapPicture(img, url) {
  if (!url || img.dataset.wanted === url) return;
  img.dataset.wanted = url;
  if (!img.getAttribute("src")) {
    img.src = url;
    return;
  }
  const next = new Image();
  next.src = url;
  next.decode().then(
    () => img.dataset.wanted === url && (img.src = url),
    () => img.dataset.wanted === url && img.isConnected && delete img.dataset.wanted,
  );
}

export const icon = (name) => {
  const node = s("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" });
  for (const d of ICONS[name].split("|")) node.append(s("path", { d }));
  return node;
};

const ICONS = {
  stroke: "M4 18c5 2 7-12 11-10s-3 9 5 8|M4 18h.01",
  plus: "M12 5v14M5 12h14",
  gear: "M5 7h8M17 7h2M5 17h2M11 17h8|M15 5v4|M9 15v4",
  pencil: "M4 20l4-1L19 8l-3-3L5 16z|M14 7l3 3",
  again: "M19 12a7 7 0 1 1-2-5l2 2|M19 4v5h-5",
  play: "M7 5l11 7-11 7z",
  stop: "M7 7h10v10H7z",
  brush: "M19 4l-9 9|M10 13c-3 0-4 2-4 4s-1 2-2 2c4 2 9 1 9-3z",
  picture: "M4 5h16v14H4z|M4 16l5-5 4 4 3-3 4 4|M15 9h.01",
  compare: "M12 3v18|M4 6h5v12H4|M20 6h-5v12h5",
  polish: "M11 4l1.9 5.1L18 11l-5.1 1.9L11 18l-1.9-5.1L4 11l5.1-1.9z|M19 16v5M16.5 18.5h5",
  download: "M12 4v11|M7 11l5 5 5-5|M5 20h14",
  tree: "M6 5v14|M6 12c8 0 10-2 10-5|M6 5h.01M6 19h.01M16 7h.01",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  check: "M5 12l5 5 9-10",
  close: "M6 6l12 12M18 6L6 18",
  undo: "M8 6L4 10l4 4|M4 10h9a6 6 0 0 1 0 12h-2",
  eraser: "M5 15l8-9 6 5-8 9H8z|M9 10l6 5",
  help: "M9 9a3 3 0 1 1 4 3c-1 .5-1 1-1 2|M12 18h.01",
  ask: "M4 5h16v11H11l-5 4v-4H4z|M9 10h6",
  anchor: "M6 4v10a4 4 0 0 0 4 4h9|M15 14l4 4-4 4|M3 4h6",
  history: "M12 5a4 4 0 0 0-7 3 4 4 0 0 0 0 7 4 4 0 0 0 7 3 4 4 0 0 0 7-3 4 4 0 0 0 0-7 4 4 0 0 0-7-3z|M12 5v13",
};
