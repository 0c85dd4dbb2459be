// Points of lines and pictures per step as they come from Python, and as they are drawn. No DOM in here.

// A column of numbers: a letter for how it is written, then base64 of little-endian bytes.
export function column(text, count) {
  const data = Uint8Array.from(atob(text.slice(1)), (char) => char.charCodeAt(0));
  if (text[0] === "f") return Float64Array.from(new Float32Array(data.buffer));
  const numbers = new Float64Array(data.buffer);
  return text[0] === "r" ? Float64Array.from({ length: count }, (_, i) => numbers[0] + i * numbers[1]) : numbers;
}

// A line that has gained the points `from` to `to` of the run, thinned to `count`. A line that starts anew has from = 0;
// null where something in between was missed.
export function mergeTrack(known, [from, to, count, steps, values]) {
  let [xs, ys] = [column(steps, count), column(values, count)];
  if (from === 0 || !known) return from === 0 ? { to, xs, ys } : null;
  if (from > known.to) return null;
  if (to <= known.to) return known;
  const seen = known.to - from; // a snapshot told of these already
  if (seen && count === to - from) [xs, ys] = [xs.subarray(seen), ys.subarray(seen)];
  return sorted({ to, xs: joined(known.xs, xs), ys: joined(known.ys, ys) });
}

function joined(a, b) {
  const both = new Float64Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function sorted(line) {
  const { xs, ys } = line;
  let ordered = true;
  for (let i = 1; i < xs.length && ordered; i += 1) ordered = xs[i] >= xs[i - 1];
  if (ordered) return line;
  const order = [...xs.keys()].sort((a, b) => xs[a] - xs[b] || a - b);
  return { ...line, xs: Float64Array.from(order, (i) => xs[i]), ys: Float64Array.from(order, (i) => ys[i]) };
}

// Pictures are counted up by their ids within a track.
export function mergeFrames(known, [from, added]) {
  if (from === 0 || !known) return added;
  const last = known.length ? known.at(-1)[0] : -1;
  return [...known, ...added.filter(([id]) => id > last)];
}

// `loss/svm` and `loss/forest` are lines of one chart, `loss`.
export function charts(tracks) {
  const found = new Map();
  for (const [track, line] of Object.entries(tracks)) {
    if (!line.xs.length) continue;
    const cut = track.indexOf("/");
    const chart = cut > 0 ? track.slice(0, cut) : track;
    if (!found.has(chart)) found.set(chart, []);
    found.get(chart).push({ track, name: cut > 0 ? track.slice(cut + 1) : track, ...line });
  }
  return [...found].map(([name, lines]) => ({ name, lines }));
}

// One x-axis for all lines, and a value or a gap (null) of each; undefined where a line has no point and goes on.
export function aligned(lines, log = false) {
  const value = (y) => (Number.isFinite(y) && !(log && y <= 0) ? y : null);
  const [first] = lines;
  if (!first) return [[]];
  const same = (xs) => xs.length === first.xs.length && xs.every((x, i) => x === first.xs[i] && (i === 0 || x > xs[i - 1]));
  if (lines.every((line) => same(line.xs))) return [first.xs, ...lines.map((line) => Array.from(line.ys, value))];
  let count = 0;
  const all = new Float64Array(lines.reduce((sum, line) => sum + line.xs.length, 0));
  for (const { xs } of lines) {
    all.set(xs, count);
    count += xs.length;
  }
  all.sort();
  const xs = all.filter((x, i) => i === 0 || x !== all[i - 1]);
  return [xs, ...lines.map((line) => {
    const ys = new Array(xs.length).fill(undefined);
    let at = 0;
    line.xs.forEach((x, i) => {
      while (xs[at] < x) at += 1;
      ys[at] = value(line.ys[i]);
    });
    return ys;
  })];
}

// Index of the point of a line whose step is nearest.
export function nearest(xs, x) {
  let [low, high] = [0, xs.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle;
    else high = middle;
  }
  return Math.abs(xs[low] - x) <= Math.abs(xs[high] - x) ? low : high;
}

// Of a line the points in a range as they were asked for, and its own outside of it.
export function spliced(line, detail, low, high) {
  if (!detail) return line;
  const pick = (from) => [from.xs, from.ys].map((numbers) => Array.from(numbers));
  const [xs, ys] = pick(line);
  const [inX, inY] = pick(detail);
  const inside = inX.map((x, i) => [x, inY[i]]).filter(([x]) => x >= low && x <= high);
  const outside = xs.map((x, i) => [x, ys[i]]).filter(([x]) => x < low || x > high);
  const points = [...outside.filter(([x]) => x < low), ...inside, ...outside.filter(([x]) => x > high)];
  return { ...line, xs: Float64Array.from(points, ([x]) => x), ys: Float64Array.from(points, ([, y]) => y) };
}

// Round numbers between low and high, about `count` of them.
export function ticks(low, high, count = 4) {
  if (!(high > low)) return [low];
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= raw) * power;
  const first = Math.ceil(low / step - 1e-9);
  const found = [];
  for (let i = first; i * step <= high + step * 1e-9; i += 1) found.push(Number((i * step).toPrecision(12)));
  return found;
}

export function number(value) {
  if (value == null || Number.isNaN(value)) return "";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-3)) return Number.isFinite(value) ? value.toExponential(1) : String(value);
  return String(Number(value.toPrecision(4)));
}

// A step or a tick: two of them must not look the same, however large they are.
export function exact(value) {
  return String(Number(value.toPrecision(12)));
}

// What of a logarithmic axis is named: powers of ten, and steps between them where there are few of those.
export function named(ticks) {
  const real = ticks.filter((tick) => tick > 0);
  const decades = Math.log10(real.at(-1) / real[0]);
  const first = (tick) => Math.round(tick / 10 ** Math.floor(Math.log10(tick) + 1e-9));
  return ticks.map((tick) => (tick > 0 && (decades < 0.7 || (decades < 3.1 ? [1, 2, 5] : [1]).includes(first(tick))) ? number(tick) : ""));
}

// What a chart shows, for those who do not see it.
export function summary(name, lines) {
  const many = lines.length === 1 ? "1 line" : `${lines.length} lines`;
  const told = lines.slice(0, 8).map((line) => {
    const real = Array.from(line.ys).filter(Number.isFinite);
    if (!real.length) return `${line.name}: no values`;
    const [low, high] = real.reduce(([a, b], y) => [Math.min(a, y), Math.max(b, y)], [Infinity, -Infinity]);
    return `${line.name} from ${number(low)} to ${number(high)}, last ${number(real.at(-1))} at step ${exact(line.xs.at(-1))}`;
  });
  const more = lines.length > 8 ? [`and ${lines.length - 8} more`] : [];
  return `plot of ${name}: ${many}. ${[...told, ...more].join("; ")}`;
}
