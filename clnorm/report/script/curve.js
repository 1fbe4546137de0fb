// The training loss of each epoch as a line; dotted lines part the experiences.

const BOX = { left: 40, right: 476, top: 8, bottom: 150 };

const lossesOf = (run) => run.epochs.flatMap(([, values]) => values);

// Where the scale of a run's losses ends.
const findTop = (run) => niceAbove(Math.max(...lossesOf(run).filter(Number.isFinite), 0));

function showCurve(run, top = findTop(run)) {
  const losses = lossesOf(run);
  if (!losses.length) return null;
  const x = (epoch) => BOX.left + ((BOX.right - BOX.left) * (epoch - 0.5)) / losses.length;
  const y = (loss) => BOX.bottom - ((BOX.bottom - BOX.top) * Math.max(0, Math.min(loss, top))) / top;
  const marks = [];
  for (const share of [0, 0.5, 1]) {
    marks.push(draw("line", { x1: BOX.left, x2: BOX.right, y1: y(share * top), y2: y(share * top), class: "grid" }));
    marks.push(
      draw(
        "text",
        { x: BOX.left - 6, y: y(share * top) + 4, "text-anchor": "end" },
        String(+(share * top).toPrecision(3)),
      ),
    );
  }
  let passed = 0;
  for (const [experience, values] of run.epochs) {
    const [from, to] = [x(passed + 0.5), x(passed + values.length + 0.5)];
    if (passed) marks.push(draw("line", { x1: from, x2: from, y1: BOX.top, y2: BOX.bottom, class: "part" }));
    marks.push(draw("text", { x: (from + to) / 2, y: BOX.bottom + 16, "text-anchor": "middle" }, String(experience)));
    const points = values.map((loss, place) => `${x(passed + place + 1).toFixed(1)},${y(loss).toFixed(1)}`);
    marks.push(draw("polyline", { points: points.join(" ") }));
    if (values.length === 1)
      marks.push(draw("circle", { cx: x(passed + 1).toFixed(1), cy: y(values[0]).toFixed(1), r: 2 }));
    passed += values.length;
  }
  const counts = `${counted(losses.length, "epoch")} of ${counted(run.epochs.length, "experience")}`;
  const told = `Training loss of each epoch: ${counts}, from ${losses[0]} to ${losses.at(-1)}`;
  const picture = draw("svg", { viewBox: "0 0 480 174", role: "img", "aria-label": told }, marks);
  return make("figure", { class: "curve" }, picture, make("figcaption", {}, `${told}; columns are experiences.`));
}

// The next number of 1, 2 or 5 times a power of ten.
function niceAbove(value) {
  if (value <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((times) => times * unit).find((nice) => nice >= value);
}
