// All runs as a table that is sorted by its headings and filtered by words and names.

const FILTERS = { norm: (run) => run.norm, strategy: (run) => run.strategy, protocol: protocolOf };
const collator = new Intl.Collator("en", { numeric: true });
const rowOf = new Map();
let columns = [];

// Names that all runs have alike are no column.
function listColumns(metrics) {
  const varies = (of) => new Set(data.runs.map(of)).size > 1;
  const names = ["dataset", "protocol", "backbone"].map((key, place) => ({ key, of: (run) => namesOf(run)[place] }));
  const measured = [...new Set([...data.shown, ...metrics])];
  return [
    { key: "norm", of: (run) => run.norm },
    { key: "strategy", of: (run) => run.strategy },
    ...names.filter((column) => varies(column.of)),
    ...(data.settings.length > 1 ? [{ key: "setting", of: (run) => settingOf(run).short }] : []),
    { key: "seed", of: (run) => run.seed, number: true },
    ...(varies((run) => run.finished) ? [{ key: "status", of: statusOf }] : []),
    ...measured.map((key) => {
      const { title, higher } = data.metrics[metricPlace.get(key)];
      return { key, title, higher, of: (run) => valueOf(run, key), show: percent, number: true };
    }),
    {
      key: "minutes",
      of: (run) => run.cost.seconds / 60,
      show: (value) => (value ? value.toFixed(1) : "--"),
      number: true,
    },
    { key: "run", of: (run) => run.id },
  ];
}

// What words are looked for in: names, and the keys in which runs differ; a word key=value also in those that all have.
const wordsOf = new Map();
let common = "";
function gatherWords() {
  const keys = differing(data.runs);
  const names = new Set(keys.map(([name]) => name));
  const alike = data.keys.filter((name) => !names.has(name) && !data.beside.includes(name));
  common = alike.map((name) => `${name}=${textOf(data.runs[0], data.keys.indexOf(name))}`).join(" ").toLowerCase();
  data.runs.forEach((run, place) => {
    const told = [
      run.id,
      ...namesOf(run),
      run.norm,
      run.strategy,
      `seed=${run.seed}`,
      statusOf(run),
      settingOf(run).id,
    ];
    wordsOf.set(run, [...told, ...keys.map(([name, texts]) => `${name}=${texts[place]}`)].join(" ").toLowerCase());
  });
}

const NONE_MATCHES =
  "No run matches. Words are looked for in names and in keys of the configuration as key=value; press clear for all runs.";
const FIELDS = ["text", "setting", "status", ...Object.keys(FILTERS)];

function fillFilters() {
  const typed = () => go({ text: text.value }, { replace: true });
  const [first] = data.runs;
  const hint = `words, such as ${first.strategy} seed=${first.seed}`;
  const text = make("input", { type: "search", id: "filter-text", oninput: typed, placeholder: hint });
  const named = (values) => [...new Set(values)].map((value) => [value, value]);
  const clear = () => go(Object.fromEntries(FIELDS.map((name) => [name, ""])));
  document.getElementById("filters").append(
    make("label", { class: "text" }, "filter ", text),
    ...Object.entries(FILTERS).map(([name, of]) => makeFilter(name, named(data.runs.map(of)))),
    ...(data.settings.length > 1
      ? [
          makeFilter(
            "setting",
            data.settings.map(({ id, title }) => [id, title]),
          ),
        ]
      : []),
    ...(data.runs.some((run) => !run.finished) ? [makeFilter("status", named(["finished", "unfinished"]))] : []),
    make("button", { type: "button", id: "clear", onclick: clear }, "clear"),
  );
}

function makeFilter(name, values) {
  const options = values
    .sort((a, b) => collator.compare(a[1], b[1]))
    .map(([value, title]) => make("option", { value }, title));
  const select = make(
    "select",
    { id: `filter-${name}`, onchange: () => go({ [name]: select.value }) },
    make("option", { value: "" }, "all"),
    options,
  );
  return make("label", {}, `${name} `, select);
}

function isWanted(run, state) {
  const words = (state.text ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  return (
    Object.entries(FILTERS).every(([name, of]) => !state[name] || of(run) === state[name]) &&
    (!state.setting || settingOf(run).id === state.setting) &&
    (!state.status || (state.status === "finished") === run.finished) &&
    words.every((word) => wordsOf.get(run).includes(word) || (word.includes("=") && common.includes(word)))
  );
}

function sorted(runs, sort) {
  const column = columns.find((each) => each.key === sort.replace(/^-/, ""));
  if (!column) return runs;
  const sign = sort.startsWith("-") ? -1 : 1;
  const lacks = (value) => value === null || value === undefined || Number.isNaN(value);
  return [...runs].sort((one, other) => {
    const [a, b] = [column.of(one), column.of(other)];
    if (lacks(a) || lacks(b)) return lacks(a) - lacks(b); // last in both directions
    return sign * (typeof a === "number" ? a - b : collator.compare(a, b));
  });
}

function makeHeading(column, sort) {
  const sorts = sort.replace(/^-/, "") === column.key;
  const down = sort.startsWith("-");
  const first = column.higher ? `-${column.key}` : column.key; // of a metric the best first
  const next = sorts ? (down ? column.key : `-${column.key}`) : first;
  const arrow = make("span", { "aria-hidden": "true" }, sorts ? (down ? "▼" : "▲") : "");
  const button = make(
    "button",
    { type: "button", onclick: () => go({ sort: next }), "data-sort": column.key },
    column.title ?? column.key,
    arrow,
  );
  return make(
    "th",
    {
      scope: "col",
      class: column.number ? "number" : null,
      "aria-sort": sorts ? (down ? "descending" : "ascending") : null,
    },
    button,
  );
}

function makeRow(run) {
  const box = make("input", {
    type: "checkbox",
    "aria-label": `compare ${run.id}`,
    onchange: () => choose(run, box.checked),
  });
  const cells = columns.map((column) => {
    const value = column.of(run);
    const text = column.show ? column.show(value) : String(value);
    if (column.key === "run") return make("td", { class: "name" }, text);
    if (column.key !== "norm") return make("td", { class: column.number ? "number" : null }, text);
    const told = `${run.norm}, ${run.strategy}, seed ${run.seed}: ${run.id}`;
    return make("th", { scope: "row" }, make("a", { href: toRun(run), "aria-label": told }, text));
  });
  return make("tr", { class: run.finished ? null : "unfinished" }, make("td", {}, box), cells);
}

function choose(run, wanted) {
  const others = (readAddress().chosen ?? []).filter((id) => id !== run.id);
  go({ chosen: wanted ? [...others, run.id].slice(-2) : others }, { replace: true });
}

let shownMetrics = null;
function showRuns(state) {
  const metrics = chosenMetrics(state);
  const place = document.getElementById("runs");
  if (metrics.join() !== shownMetrics) {
    columns = listColumns(metrics);
    data.runs.forEach((run) => rowOf.set(run, makeRow(run)));
    shownMetrics = metrics.join();
  }
  const sort = state.sort ?? "";
  const wanted = sorted(
    data.runs.filter((run) => isWanted(run, state)),
    sort,
  );
  const focused = document.activeElement?.dataset?.sort;
  const head = make(
    "tr",
    {},
    make("th", { scope: "col" }, make("span", { class: "unseen" }, "compare")),
    columns.map((column) => makeHeading(column, sort)),
  );
  const caption = make("caption", { class: "unseen" }, "Runs; metrics in %");
  place.replaceChildren(
    make(
      "table",
      { class: "runs" },
      caption,
      make("thead", {}, head),
      make(
        "tbody",
        {},
        wanted.map((run) => rowOf.get(run)),
      ),
    ),
  );
  if (!wanted.length) place.append(make("p", { class: "none" }, NONE_MATCHES));
  if (focused) place.querySelector(`[data-sort="${CSS.escape(focused)}"]`)?.focus();
  document.getElementById("count").textContent =
    `${wanted.length} of ${counted(data.runs.length, "run")}; metrics in %`;
  showFilters(state);
}

function showFilters(state) {
  for (const name of FIELDS) {
    const field = document.getElementById(`filter-${name}`);
    if (field && field.value !== (state[name] ?? "")) field.value = state[name] ?? "";
  }
  const chosen = (state.chosen ?? []).filter((id) => byId.has(id));
  data.runs.forEach((run) => (rowOf.get(run).querySelector("input").checked = chosen.includes(run.id)));
  const link =
    chosen.length === 2 && make("a", { href: writeAddress({ compare: chosen }), class: "button" }, "compare the two");
  const told = chosen.length === 1 ? "1 run is chosen; choose another one to compare it with" : "2 runs are chosen: ";
  document.getElementById("chosen").replaceChildren(...(chosen.length ? [told, link].filter(Boolean) : []));
}
