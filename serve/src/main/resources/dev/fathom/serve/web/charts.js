// Curves and heat maps as SVG.
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 360, HEIGHT = 170, LEFT = 52, BOTTOM = 22, TOP = 8, RIGHT = 8;

function node(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function figure(title, value, svg) {
  const caption = document.createElement("figcaption");
  const last = document.createElement("span");
  last.textContent = value;
  caption.append(title, last);
  const box = document.createElement("figure");
  box.append(caption, svg);
  return box;
}

/** About four round numbers between two. */
function ticks(low, high) {
  const span = high - low || 1;
  const unit = 10 ** Math.floor(Math.log10(span / 3));
  const step = [1, 2, 5, 10].map(factor => factor * unit).find(each => span / each <= 4) ?? unit;
  const all = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step) all.push(+value.toPrecision(12));
  return all;
}

/** Not more points than there are pixels: the first, the last, the lowest and the highest of each column. */
function thin(points) {
  if (points.length <= 2 * WIDTH) return points;
  const size = Math.ceil(points.length / WIDTH);
  const kept = [];
  for (let at = 0; at < points.length; at += size) {
    const part = points.slice(at, at + size);
    const low = part.reduce((a, b) => (b[1] < a[1] ? b : a));
    const high = part.reduce((a, b) => (b[1] > a[1] ? b : a));
    kept.push(...new Set([part[0], low, high, part.at(-1)]));
  }
  return kept.sort((a, b) => a[0] - b[0]);
}

/** A curve, and a second one of held-out problems; nothing if there is no point. */
export function chart(title, points, format, second = []) {
  const all = [...points, ...second];
  if (all.length === 0) return null;
  const xs = all.map(point => point[0]), ys = all.map(point => point[1]);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  let [low, high] = [Math.min(...ys), Math.max(...ys)];
  if (low === high) { low -= Math.abs(low) / 10 || 0.5; high += Math.abs(high) / 10 || 0.5; }
  const x = value => LEFT + ((value - left) / (right - left || 1)) * (WIDTH - LEFT - RIGHT);
  const y = value => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - BOTTOM - TOP);
  const newest = (second.length ? second : points).at(-1);
  const label = `${title}: ${format(newest[1])} at step ${newest[0]}`;
  const svg = node("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
  for (const tick of ticks(low, high)) {
    svg.append(node("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick) }),
      node("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, format(tick)));
  }
  const marks = right > left ? [left, right] : [left];
  for (const [i, tick] of marks.entries()) {
    svg.append(node("text", { x: x(tick), y: HEIGHT - 4, "text-anchor": i === 0 ? "start" : "end" }, i === 0 ? `step ${tick}` : tick));
  }
  for (const [curve, kind] of [[points, ""], [second, " b"]]) {
    if (curve.length > 1) svg.append(node("polyline", { class: `line${kind}`, points: thin(curve).map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(" ") }));
    if (curve.length > 0) svg.append(node("circle", { class: `dot${kind}`, cx: x(curve.at(-1)[0]), cy: y(curve.at(-1)[1]), r: 3 }));
  }
  return figure(second.length ? `${title} (dashed: held-out)` : title, format(newest[1]), svg);
}

/** A row per layer, a cell per expert, darker for more. */
export function heatMap(title, rows) {
  const height = 26;
  const svg = node("svg", { viewBox: `0 0 ${WIDTH} ${rows.length * height + 4}`, role: "img",
    "aria-label": `${title}: ${rows.map((row, i) => `layer ${i + 1} from ${Math.min(...row).toFixed(2)} to ${Math.max(...row).toFixed(2)}`).join(", ")}` });
  rows.forEach((row, i) => {
    const width = (WIDTH - LEFT) / row.length;
    svg.append(node("text", { x: LEFT - 6, y: i * height + 17, "text-anchor": "end" }, `MoE ${i + 1}`));
    row.forEach((value, j) => {
      const cell = node("rect", { class: "cell", x: LEFT + j * width, y: i * height, width: Math.max(1, width - 1), height: height - 2,
        "fill-opacity": Math.min(1, Math.max(0.04, value / 2)).toFixed(2) });
      cell.append(node("title", {}, `expert ${j + 1}: ${value.toFixed(2)}`));
      svg.append(cell);
    });
  });
  return figure(title, "", svg);
}
