// Draws the curve of a quantity of a run: the value of each step with a smoothed line, the held-out values where they were
// measured, and other runs in the background.

import { h, svg } from "./dom.js";
import { number } from "./format.js";

const MARGIN = { top: 14, right: 14, bottom: 42, left: 62 };

/** Returns the text of a tick; small numbers are written with an exponent. */
const tick = (value, digits) => (digits <= 3 ? value.toFixed(digits) : value === 0 ? "0" : value.toExponential(1));

/** Returns about `count` round numbers from `low` to `high`. */
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.99);
  const made = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step) made.push(value);
  return { values: made, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

/** Returns the mean of each pixel column, so that a line has no more points than it can show. */
function thinned(points, columns) {
  if (points.length <= columns * 2) return points;
  const [first, last] = [points[0].x, points.at(-1).x];
  const made = [];
  let column = -1;
  for (const point of points) {
    const here = Math.floor(((point.x - first) / (last - first || 1)) * columns);
    if (here !== column) {
      column = here;
      made.push({ x: 0, y: 0, count: 0 });
    }
    const mean = made.at(-1);
    mean.count += 1;
    mean.x += (point.x - mean.x) / mean.count;
    mean.y += (point.y - mean.y) / mean.count;
  }
  return made;
}

/** Returns centered moving averages over about a hundredth of the curve, with a smaller window near its ends. */
function smooth(points) {
  const reach = Math.min(50, Math.round(points.length / 100) + 2);
  const sums = [0];
  for (const { y } of points) sums.push(sums.at(-1) + y);
  return points.map(({ x }, index) => {
    const side = Math.min(reach, index, points.length - 1 - index);
    return { x, y: (sums[index + side + 1] - sums[index - side]) / (2 * side + 1) };
  });
}

export class Chart {
  /** describe(step): returns the values of a step as [name, text] pairs */
  constructor(container, describe) {
    this.container = container;
    this.describe = describe;
    this.tip = h("div", { class: "tip", "aria-hidden": "true", hidden: true });
    this.root = svg("svg", {
      class: "plot", tabindex: 0, role: "slider", "aria-label": "Curve of the run; use the arrow keys to move between steps",
      "aria-valuemin": 0, "aria-valuenow": 0, "aria-valuetext": "no step yet",
    });
    container.append(this.root, this.tip);
    this.data = { train: [], held: [], others: [], total: 1, log: false, title: "", smoothed: true };
    new ResizeObserver(() => this.draw()).observe(container);
    this.root.addEventListener("pointermove", (event) => this.pointAt(event.clientX));
    this.root.addEventListener("pointerdown", (event) => this.pointAt(event.clientX));
    this.root.addEventListener("pointerleave", () => this.point(undefined));
    this.root.addEventListener("blur", () => this.point(undefined));
    this.root.addEventListener("keydown", (event) => this.move(event));
  }

  /**
   * train, held: points {x: step, y: value}; others: {name, train, held} of other runs, where name is a class; total: steps of
   * the run; log: logarithmic y axis; title: of the y axis; smoothed: whether to draw smoothed lines
   */
  show(data) {
    this.data = data;
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = undefined;
    const { train, held, others, total, log, title, smoothed } = this.data;
    const width = this.container.clientWidth;
    if (!width) return;
    const height = Math.max(220, Math.min(420, width * 0.5));
    this.root.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.root.setAttribute("height", height);
    const shown = (points) => points.filter(({ y }) => Number.isFinite(y) && (!log || y > 0));
    const lines = others.map((other) => ({ ...other, train: shown(other.train), held: shown(other.held) }));
    const [own, heldOwn] = [shown(train), shown(held)];
    const all = [own, heldOwn, ...lines.flatMap((line) => [line.train, line.held])].flat();
    if (all.length === 0) {
      this.scale = undefined;
      this.root.replaceChildren(
        svg("text", { x: width / 2, y: height / 2, class: "nothing" }, "The curve starts with the first step."));
      return;
    }
    this.scale = this.fit(all, width, height, Math.max(total || 1, ...lines.map((line) => line.train.at(-1)?.x ?? 0)), log);
    this.root.setAttribute("aria-valuemax", train.at(-1)?.x ?? 0);
    const columns = Math.max(50, width - MARGIN.left - MARGIN.right);
    const curve = (points, name) => svg("path", { class: name, d: this.path(thinned(points, columns)) });
    const smoothLine = (points) => (smoothed ? smooth(points) : points);
    this.cross = svg("g", { class: "cross" });
    this.root.replaceChildren(
      ...this.axes(width, height, title),
      ...lines.flatMap(({ name, train, held }) => [
        curve(smoothLine(train), `line ${name}`), curve(held, `line ${name} dashed`),
      ]),
      ...(smoothed ? [curve(own, "line raw")] : []), curve(smoothLine(own), "line train"), curve(heldOwn, "line held"),
      ...heldOwn.map(({ x, y }) => svg("circle", { class: "held", cx: this.scale.x(x), cy: this.scale.y(y), r: 2.6 })),
      this.cross);
    this.root.setAttribute("aria-label", `${title} of the run; use the arrow keys to move between steps`);
    if (this.at !== undefined) this.point(this.at);
    else if (train.length) this.value(train.at(-1).x, this.describe(train.at(-1).x));
  }

  fit(points, width, height, total, log) {
    const shape = log ? Math.log : (value) => value;
    const values = points.map((point) => shape(point.y));
    let [low, high] = values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
    const pad = (high - low || 1) * 0.06;
    [low, high] = [!log && low >= 0 ? Math.max(0, low - pad) : low - pad, high + pad];
    const right = Math.max(total || 1, ...points.map((point) => point.x).slice(-1), 1);
    const across = (width - MARGIN.left - MARGIN.right) / right;
    const up = (height - MARGIN.top - MARGIN.bottom) / (high - low);
    return {
      low, high, right, unshape: log ? Math.exp : (value) => value,
      x: (step) => MARGIN.left + step * across, y: (loss) => MARGIN.top + (high - shape(loss)) * up,
      step: (x) => (x - MARGIN.left) / across,
    };
  }

  path(points) {
    return points.map(({ x, y }, index) =>
      `${index ? "L" : "M"}${this.scale.x(x).toFixed(1)} ${this.scale.y(y).toFixed(1)}`).join("");
  }

  axes(width, height, title) {
    const { low, high, right, unshape } = this.scale;
    const across = ticks(0, right, Math.max(2, Math.min(8, width / 110)));
    // On a log scale, round numbers are unevenly spaced, so fewer are labeled.
    const up = ticks(unshape(low), unshape(high), Math.max(3, height / 60));
    return [
      ...up.values.filter((value) => value > 0 || (value === 0 && low <= 0)).flatMap((value) => [
        svg("line", {
          class: "gridline", x1: MARGIN.left, x2: width - MARGIN.right, y1: this.scale.y(value), y2: this.scale.y(value),
        }),
        svg("text", { class: "tick", x: MARGIN.left - 8, y: this.scale.y(value) + 4, "text-anchor": "end" },
          tick(value, up.digits)),
      ]),
      svg("text", { class: "tick title", x: (MARGIN.left + width - MARGIN.right) / 2, y: height - 6 }, "optimizer step"),
      svg("text", {
        class: "tick title", x: 0, y: 0, transform: `translate(12 ${(MARGIN.top + height - MARGIN.bottom) / 2}) rotate(-90)`,
      }, title),
      ...across.values.map((value) => svg("text", {
        class: "tick", x: this.scale.x(value), y: height - 24, "text-anchor": value === 0 ? "start" : this.scale.x(value) > width - 30 ? "end" : "middle",
      }, number(value))),
    ];
  }

  pointAt(clientX) {
    if (!this.scale) return;
    const box = this.root.getBoundingClientRect();
    this.point(this.scale.step((clientX - box.left) * (this.container.clientWidth / box.width)));
  }

  move(event) {
    const { train } = this.data;
    if (train.length === 0) return;
    const here = this.at === undefined ? train.length - 1 : this.nearest(this.at);
    const far = Math.max(1, Math.round(train.length / 20));
    const to = {
      ArrowLeft: here - 1, ArrowDown: here - 1, ArrowRight: here + 1, ArrowUp: here + 1, PageDown: here - far,
      PageUp: here + far, Home: 0, End: train.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.point(train[Math.max(0, Math.min(train.length - 1, to))].x);
  }

  /** Returns the index of the nearest step, by binary search. */
  nearest(step) {
    const { train } = this.data;
    let [low, high] = [0, train.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (train[middle].x < step) low = middle + 1;
      else high = middle;
    }
    return low > 0 && step - train[low - 1].x < train[low].x - step ? low - 1 : low;
  }

  point(step) {
    this.at = step;
    const found = step === undefined || !this.scale ? undefined : this.data.train[this.nearest(step)];
    this.tip.hidden = !found;
    if (!found) return this.cross?.replaceChildren();
    const [x, y] = [this.scale.x(found.x), this.scale.y(found.y)];
    const { height } = this.root.viewBox.baseVal;
    this.cross.replaceChildren(
      svg("line", { x1: x, x2: x, y1: MARGIN.top, y2: height - MARGIN.bottom }), svg("circle", { cx: x, cy: y, r: 4 }));
    const known = this.describe(found.x);
    this.tip.replaceChildren(...known.map(([name, text]) => h("div", {}, h("span", {}, name), h("b", {}, text))));
    const left = x > this.container.clientWidth / 2;
    this.tip.style.left = left ? "auto" : `${x + 12}px`;
    this.tip.style.right = left ? `${this.container.clientWidth - x + 12}px` : "auto";
    this.value(found.x, known);
  }

  value(step, known) {
    this.root.setAttribute("aria-valuenow", step);
    this.root.setAttribute("aria-valuetext", known.map(([name, text]) => `${name} ${text}`).join(", "));
  }
}
