// One run in full: what clnorm show says of it, and more.

function showRun(id) {
  const run = byId.get(id);
  if (!run) return showWrong(`There is no run ${id} in this page.`);
  const [dataset, protocol, backbone] = namesOf(run);
  return [
    heading(`${run.norm} × ${run.strategy}, seed ${run.seed}`),
    make("p", { class: "soft" }, [dataset, protocol, backbone, run.id].join(" · ")),
    run.run === run.id.split("/").at(-1)
      ? null
      : make("p", { class: "soft" }, `its record says that it is ${run.run}`),
    run.label && make("p", { class: "problems" }, `${run.label}: ${data.notes[run.label]}`),
    run.finished
      ? null
      : make("p", { class: "problems" }, `Not finished: ${statusOf(run)}. It goes on with: ${goOn(run)}`),
    showFacts(run),
    run.matrix.length
      ? part("Accuracy", make("div", { class: "two" }, showMatrix(run), make("div", {}, showMetrics(run))))
      : null,
    run.epochs.length ? part("Learning curve", showCurve(run)) : null,
    run.confusion && part("Classes", make("div", { class: "two" }, showClasses(run), showConfusion(run))),
    part("Configuration", showConfig(run)),
    part("Norms", showSites(run), showExplanation(run)),
    part("How it ran", showTold(run)),
  ];
}

const goOn = (run) => `clnorm run --config ${run.id}/config.yaml`;
const heading = (text) => make("h2", { tabindex: "-1", id: "view-title" }, text);
const part = (title, ...inner) => make("section", {}, make("h3", {}, title), ...inner);

function showWrong(text) {
  return [heading("Nothing is shown"), make("p", {}, text)];
}

function showFacts(run) {
  const memory = "memory" in run.told ? shared(run.told.memory) : {};
  const size = (value, unit) => (typeof value === "number" ? `${value.toFixed(value < 10 ? 2 : 0)} ${unit}` : null);
  const facts = [
    ["time", size(run.cost.seconds, "s")],
    ["clips trained", run.cost.clips_trained?.toLocaleString("en")],
    ["peak memory", size(run.cost.peak_memory_mb, "MB")],
    [
      "replay memory",
      memory.clips ? `${memory.clips} clips, ${memory.frames} frames, ${size(memory.megabytes, "MB")}` : null,
    ],
    [
      "kept beside the model",
      memory.untold?.length
        ? `unknown, ${memory.untold.join(", ")} does not tell`
        : memory.kept_megabytes
          ? size(memory.kept_megabytes, "MB")
          : null,
    ],
  ].filter(([, value]) => value);
  if (!facts.length) return null;
  return make(
    "dl",
    { class: "facts" },
    facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))),
  );
}

// The metrics of every summary first, then the others that are defined; the rest is named.
function showMetrics(run) {
  const defined = data.metrics.filter((metric) => valueOf(run, metric.key) !== null);
  const rows = (metrics) =>
    metrics.map(({ key, title, formula, source }) => [
      title,
      percent(valueOf(run, key)),
      formula ? `${formula} (${source})` : source,
    ]);
  const headings = ["metric", ...numeric("%"), "definition"];
  const first = data.metrics.filter((metric) => data.shown.includes(metric.key));
  const others = defined.filter((metric) => !data.shown.includes(metric.key));
  const lacking = data.metrics
    .filter((metric) => valueOf(run, metric.key) === null && !data.shown.includes(metric.key))
    .map((metric) => metric.title);
  return [
    table("Metrics", headings, rows(first)),
    others.length
      ? fold(
          `${others.length} more metrics`,
          table("More metrics", headings, rows(others)),
          lacking.length ? make("p", { class: "soft" }, `Undefined here: ${lacking.join(", ")}`) : null,
        )
      : null,
  ];
}
