// Two runs, or two norms, side by side.

function showComparison(ids) {
  const runs = ids.map((id) => byId.get(id));
  const absent = ids.filter((_, place) => !runs[place]);
  if (absent.length) return showWrong(`There is no run ${absent.join(", ")} in this page.`);
  if (runs.length !== 2) return showWrong("A comparison is of two runs: #compare=RUN,RUN.");
  const differ = differing(runs).map(([name, texts]) => [name, ...texts]);
  const top = Math.max(...runs.map(findTop));
  return [
    heading("Two runs side by side"),
    make(
      "div",
      { class: "two" },
      runs.map((run, place) => showSide(run, place, top)),
    ),
    part(
      "Configuration",
      differ.length
        ? table("Keys in which they differ", ["key", "first", "second"], differ)
        : make("p", {}, "Their configurations are the same."),
    ),
    part("Results", make("div", { class: "two" }, compareMetrics(...runs), compareClasses(...runs))),
  ];
}

function showSide(run, place, top) {
  return make(
    "div",
    {},
    make(
      "h3",
      {},
      `${place ? "second" : "first"}: `,
      make("a", { href: toRun(run) }, `${run.norm} × ${run.strategy}, seed ${run.seed}`),
    ),
    make("p", { class: "soft" }, run.id),
    run.matrix.length
      ? showMatrix(run, `Accuracy in %, ${place ? "second" : "first"}`)
      : make("p", {}, `not finished: ${statusOf(run)}`),
    showCurve(run, top),
  );
}

function compareMetrics(first, second) {
  const rows = data.metrics
    .map(({ key, title }) => [title, valueOf(first, key), valueOf(second, key)])
    .filter(([, a, b]) => a !== null || b !== null)
    .map(([title, a, b]) => [title, percent(a), percent(b), a === null || b === null ? "--" : percent(b - a, "+")]);
  return table("Metrics in %", ["metric", ...numeric("first", "second", "second - first")], rows);
}

// Classes by name, in the order of the first run.
function compareClasses(first, second) {
  if (!first.confusion || !second.confusion) return null;
  const other = new Map(countsOf(second).map((each) => [each.name, each]));
  const share = (each) => (each?.clips ? each.right / each.clips : null);
  const rows = countsOf(first).map((each) => {
    const [a, b] = [share(each), share(other.get(each.name))];
    return [each.name, showShare(a), showShare(b), a === null || b === null ? "--" : percent(b - a, "+")];
  });
  const only = [...other.keys()].filter((name) => !countsOf(first).some((each) => each.name === name));
  const note = only.length ? `Only in the second: ${only.join(", ")}` : "";
  return table(
    "Accuracy on each class in %, after the last step",
    ["class", ...numeric("first", "second", "second - first")],
    rows,
    { note },
  );
}

const PAIRED =
  "Difference: the mean over pairs that share a seed, with its 95 % Student-t interval where there are two or more, as in " +
  "clnorm table --versus. Neither interval is corrected for several comparisons; the p of that table's star is (Holm).";

function showNorms(norms, id) {
  const setting = data.settings.find((each) => each.id === id) ?? data.settings[0];
  if (norms.length !== 2) return showWrong("A comparison is of two norms: #norms=NORM,NORM.");
  const absent = norms.filter((norm) => !setting.norms.includes(norm));
  if (absent.length) return showWrong(`No means of ${absent.join(", ")} are in this page.`);
  const runs = norms.map((norm) =>
    data.runs.filter((run) => run.finished && settingOf(run) === setting && run.norm === norm),
  );
  const differ = differingKeys(...runs).map(([name, ...texts]) => [name, ...texts]);
  return [
    heading(`${norms[0]} and ${norms[1]} side by side`),
    make("p", { class: "soft" }, setting.title),
    part(
      "Means",
      make(
        "div",
        { class: "two" },
        data.shown.map((key) => compareMeans(setting, norms, runs, key)),
      ),
      make("p", { class: "soft" }, PAIRED),
    ),
    part(
      "Configuration",
      differ.length
        ? table("Keys in which their runs differ", ["key", ...norms], differ)
        : make("p", {}, "Their configurations differ in the norm alone."),
    ),
  ];
}

// The values that a key has among the runs of each norm, where these are not the same; strategies and seeds apart.
function differingKeys(first, second) {
  const texts = (runs, key) => [...new Set(runs.map((run) => textOf(run, key)))].sort(collator.compare).join(" | ");
  return data.keys
    .map((name, key) => [name, texts(first, key), texts(second, key)])
    .filter(([name, a, b]) => a !== b && !data.beside.includes(name) && !["seed", "strategy"].includes(name));
}

// Means of both norms under each strategy, and the mean of their differences over pairs that share a seed.
function compareMeans(setting, norms, runs, key) {
  const rows = setting.strategies.map((strategy, column) => {
    const cells = norms.map((norm) => findCell(setting, norm, column, key));
    const complete = cells.every((each) => each && each[4] !== null);
    const { mean, half, n } = complete ? pairedDifference(...runs.map((of) => bySeed(of, strategy, key))) : NONE;
    const spread = half === null ? "" : ` ± ${percent(half)}`;
    const told = mean === null ? "--" : percent(mean, "+") + spread;
    return [strategy, ...cells.map((each) => (each ? interval(each[4], each[5]) : "--")), told, String(n)];
  });
  const headings = ["strategy", ...numeric(...norms, `${norms[1]} - ${norms[0]}`, "pairs")];
  return make("div", {}, table(`${data.metrics[metricPlace.get(key)].title} in %`, headings, rows));
}

const NONE = { mean: null, half: null, n: 0 };

function findCell(setting, norm, column, key) {
  const place = [setting.norms.indexOf(norm), column, metricPlace.get(key)];
  return setting.cells.find((each) => place.every((value, at) => each[at] === value));
}

function bySeed(runs, strategy, key) {
  const found = runs.filter((run) => run.strategy === strategy && valueOf(run, key) !== null);
  return new Map(found.map((run) => [run.seed, valueOf(run, key)]));
}
