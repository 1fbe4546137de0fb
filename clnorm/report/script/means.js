// The means of each setting: norms by strategies, for the metric that is chosen.

function fillMetrics() {
  const select = document.getElementById("metric");
  const averaged = new Set(data.settings.flatMap((setting) => setting.cells.map((each) => each[2])));
  for (const place of [...averaged].sort((a, b) => a - b)) {
    select.append(make("option", { value: data.metrics[place].key }, data.metrics[place].title));
  }
  select.addEventListener("change", () => go({ metric: select.value }));
}

function chosenMetric(state) {
  return metricPlace.has(state.metric) ? state.metric : "accuracy";
}

function showMeans(state) {
  const key = chosenMetric(state);
  const metric = data.metrics[metricPlace.get(key)];
  document.getElementById("metric").value = key;
  const better = metric?.higher ? "higher is better" : "lower is better";
  document.getElementById("definition").textContent = metric ? `${metric.formula} (${metric.source}); ${better}` : "";
  for (const place of document.querySelectorAll("article[data-setting]")) {
    place.hidden = Boolean(state.setting) && state.setting !== place.dataset.setting;
  }
  for (const place of document.querySelectorAll(".means")) {
    const setting = data.settings.find((each) => each.id === place.dataset.setting);
    place.replaceChildren(...(setting.reason ? [make("p", {}, `No means: ${setting.reason}`)] : showGrid(setting, key)));
  }
}

function showGrid(setting, key) {
  const metric = metricPlace.get(key);
  const cells = new Map(setting.cells.filter((each) => each[2] === metric).map((each) => [`${each[0]} ${each[1]}`, each]));
  const scale = scaleOf([...cells.values()]);
  const rows = setting.norms.map((norm, row) => [
    make("th", { scope: "row" }, norm),
    ...setting.strategies.map((strategy, column) => {
      const found = cells.get(`${row} ${column}`);
      return make("td", { class: "mean" }, found ? showMean(setting, norm, strategy, found, scale) : "--");
    }),
  ]);
  const title = `${data.metrics[metric]?.title ?? key} in %, mean and 95 % interval over ${counted(setting.seeds.length, "seed")}`;
  const marked = [...cells.values()].some((each) => each[6]);
  const legend = marked ? "Bold: best of a strategy, underlined: second, where a paired t-test (Holm) tells each worse one from it." : "";
  return [...table(title, ["norm", ...setting.strategies], rows, { note: legend }), chooseNorms(setting)].filter(Boolean);
}

// Where bars begin and end: from 0, or the least of what is below it, to 1, or the most of all.
function scaleOf(cells) {
  const ends = cells.filter((each) => each[4] !== null).flatMap((each) => [each[4] - (each[5] ?? 0), each[4] + (each[5] ?? 0)]);
  return { low: Math.max(-1, Math.min(0, ...ends)), high: Math.min(1, Math.max(0.05, ...ends)) };
}

function showMean(setting, norm, strategy, [, , , seeds, mean, half, mark], scale) {
  const lacking = mean === null ? `${seeds} of ${counted(setting.seeds.length, "seed")}` : "";
  const address = writeAddress({ ...keptState(), norm, strategy, setting: data.settings.length > 1 ? setting.id : "" });
  const told = make(mark === "best" ? "b" : mark === "second" ? "u" : "span", {}, interval(mean, half));
  const label = `${interval(mean, half)}${lacking && `, ${lacking}`}: the runs of ${norm} under ${strategy}`;
  return make(
    "a",
    { href: address, "aria-label": label, "data-jump": "runs" },
    told,
    lacking ? make("small", {}, lacking) : drawInterval(mean, half ?? 0, scale),
  );
}

function drawInterval(mean, half, { low, high }) {
  const x = (value) => ((100 * (Math.min(high, Math.max(low, value)) - low)) / (high - low)).toFixed(1);
  return draw(
    "svg",
    { viewBox: "-2 0 104 8", "aria-hidden": "true", class: "whisker" },
    draw("line", { x1: 0, x2: 100, y1: 4, y2: 4, class: "track" }),
    draw("line", { x1: x(0), x2: x(0), y1: 1, y2: 7, class: "zero" }),
    draw("line", { x1: x(mean - half), x2: x(mean + half), y1: 4, y2: 4, class: "half" }),
    draw("circle", { cx: x(mean), cy: 4, r: 2.6 }),
  );
}

// Two norms to look at side by side.
function chooseNorms(setting) {
  if (setting.norms.length < 2) return null;
  const options = (chosen) => setting.norms.map((norm, place) => make("option", { value: norm, selected: place === chosen }, norm));
  const [first, second] = [0, 1].map((place) => make("select", {}, options(place)));
  return make(
    "form",
    {
      class: "pair",
      onsubmit: (event) => {
        event.preventDefault();
        location.hash = writeAddress({ norms: [first.value, second.value], setting: setting.id });
      },
    },
    make("label", {}, "norm ", first),
    make("label", {}, " against ", second),
    make("button", {}, "side by side"),
  );
}
