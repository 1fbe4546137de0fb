// The means of each setting: norms by strategies, for the metric that is chosen.

function fillMetrics() {
  const averaged = new Set(data.settings.flatMap((setting) => setting.cells.map((each) => each[2])));
  const metrics = [...averaged].sort((a, b) => a - b).map((place) => data.metrics[place]);
  for (const name of ["metric", "also"]) {
    const select = document.getElementById(name);
    select.append(...metrics.map(({ key, title }) => make("option", { value: key }, title)));
    select.addEventListener("change", () => go({ [name]: select.value }));
  }
  document.getElementById("also").append(make("option", { value: "none" }, "none"));
}

// The metrics that are shown: the one that was chosen, and another one beside it.
function chosenMetrics(state) {
  const metric = metricPlace.has(state.metric) ? state.metric : "accuracy";
  const also = state.also === "none" || metricPlace.has(state.also) ? state.also : "forgetting";
  return [metric, also].filter((key, place, keys) => metricPlace.has(key) && keys.indexOf(key) === place);
}

function showMeans(state) {
  const keys = chosenMetrics(state);
  document.getElementById("metric").value = keys[0] ?? "";
  document.getElementById("also").value = keys[1] ?? "none";
  for (const place of document.querySelectorAll("article[data-setting]")) {
    place.hidden = Boolean(state.setting) && state.setting !== place.dataset.setting;
  }
  for (const place of document.querySelectorAll(".means")) {
    const setting = data.settings.find((each) => each.id === place.dataset.setting);
    if (setting.reason) place.replaceChildren(make("p", {}, `No means: ${setting.reason}`));
    else
      place.replaceChildren(
        make(
          "div",
          { class: "grids" },
          keys.map((key) => showGrid(setting, key)),
        ),
        chooseNorms(setting),
      );
  }
}

function showGrid(setting, key) {
  const place = metricPlace.get(key);
  const { title, formula, source, higher } = data.metrics[place];
  const cells = new Map(
    setting.cells.filter((each) => each[2] === place).map((each) => [`${each[0]} ${each[1]}`, each]),
  );
  const scale = scaleOf([...cells.values()]);
  const tabulate = (strategies, first, options) => {
    const rows = setting.norms.map((norm, row) => [
      make("th", { scope: "row" }, norm),
      ...strategies.map((strategy, column) => {
        const found = cells.get(`${row} ${first + column}`);
        return make("td", { class: "mean" }, found ? showMean(setting, norm, strategy, found, scale) : "--");
      }),
    ]);
    return table(caption, ["norm", ...strategies], rows, options);
  };
  const count = setting.seeds.length;
  const caption = `${title} in %, ${count > 1 ? `mean and 95 % interval over ${count} seeds` : "of one seed"}`;
  const marked = [...cells.values()].some((each) => each[6]);
  const legend =
    "; bold: best of a strategy, underlined: second, where a paired t-test (Holm) tells each worse one from it";
  const note = `${formula} (${source}); ${higher ? "higher" : "lower"} is better${marked ? legend : ""}`;
  const whole = tabulate(setting.strategies, 0, { note });
  return make("div", {}, ...(setting.strategies.length > ON_PAPER ? divide(whole, setting.strategies, tabulate) : [whole]));
}

// A wide table for the screen, and the same in parts for paper, of which each fits a page's width.
const ON_PAPER = 6; // strategies of a part
function divide(whole, strategies, tabulate) {
  whole.querySelector(".scroll").classList.add("screened");
  const begins = strategies.map((_, place) => place).filter((place) => place % ON_PAPER === 0);
  const parts = begins.map((begin) => tabulate(strategies.slice(begin, begin + ON_PAPER), begin));
  return [make("div", { class: "printed" }, parts), whole];
}

// Where bars begin and end: from 0, or the least of what is below it, to 1, or the most of all.
function scaleOf(cells) {
  const ends = cells
    .filter((each) => each[4] !== null)
    .flatMap((each) => [each[4] - (each[5] ?? 0), each[4] + (each[5] ?? 0)]);
  return { low: Math.max(-1, Math.min(0, ...ends)), high: Math.min(1, Math.max(0.05, ...ends)) };
}

function showMean(setting, norm, strategy, [, , , seeds, mean, half, mark], scale) {
  const lacking = mean === null ? `${seeds} of ${counted(setting.seeds.length, "seed")}` : "";
  const address = writeAddress({
    ...keptState(),
    norm,
    strategy,
    setting: data.settings.length > 1 ? setting.id : "",
  });
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
  if (setting.norms.length < 2) return "";
  const options = (chosen) =>
    setting.norms.map((norm, place) => make("option", { value: norm, selected: place === chosen }, norm));
  const [first, second] = [0, 1].map((place) => make("select", {}, options(place)));
  return make(
    "form",
    {
      class: "pair",
      onsubmit: (event) => {
        event.preventDefault();
        follow(writeAddress({ norms: [first.value, second.value], setting: setting.id }));
      },
    },
    make("label", {}, "norm ", first),
    make("label", {}, " against ", second),
    make("button", {}, "side by side"),
  );
}
