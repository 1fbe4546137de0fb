// What else a run keeps: measures at its norm sites, the parts of its forgetting, its configuration, and how it ran.

function showSites(run) {
  const spec = shared(run.swap);
  const swapped = (spec.sites ?? []).map((site) => [
    site.name,
    `${site.kind_from} → ${site.kind_to}`,
    String(site.channels),
    site.axis ?? "",
    site.groups === null || site.groups === undefined ? "" : String(site.groups),
    (site.carried ?? []).join(", "),
    [...(site.fresh ?? []), ...(site.running ? ["statistics"] : [])].join(", "),
  ]);
  const headings = ["site", "norm", ...numeric("channels"), "axis", ...numeric("groups"), "carried", "fresh"];
  const left = (spec.left ?? []).length ? `; left as they are: ${(spec.left ?? []).map(asText).join(", ")}` : "";
  return [
    run.sites && showPlasticity(run.sites),
    swapped.length
      ? fold(
          `Norm sites: ${spec.replaced} of ${spec.found} replaced${left}`,
          table("Norm sites, in the order of the forward pass", headings, swapped),
        )
      : null,
  ];
}

function showPlasticity({ steps, rows }) {
  const once = steps[0] === steps[1];
  const when = once ? `after experience ${steps[0]}` : `after experience ${steps[0]} → ${steps[1]}`;
  const short = (value) => (value === null ? "--" : String(value));
  const cells = rows.map(([site, channels, first, last]) => [
    site,
    String(channels),
    ...first.map((value, place) => (once ? short(value) : `${short(value)} → ${short(last[place])}`)),
  ]);
  return table(`Plasticity at the norm sites, ${when}`, ["site", ...numeric("units", ...data.measures)], cells);
}

function showExplanation(run) {
  if (!run.explained) return null;
  const { rows, notes } = run.explained;
  const headings = ["experience", ...numeric("best", "final", "forgetting", ...data.parts)];
  const cells = rows.map((values, place) => [String(place + 1), ...values.map((value) => percent(value))]);
  const mean = (_, place) => rows.reduce((sum, row) => sum + row[place], 0) / rows.length;
  if (rows.length > 1) cells.push(["mean", ...rows[0].map(mean).map((value) => percent(value))]);
  return [
    table("Where its forgetting lives, in points of accuracy", headings, cells),
    make(
      "p",
      { class: "soft" },
      data.explanation,
      notes.map((note) => ` ${note[0].toUpperCase()}${note.slice(1)}.`),
    ),
  ];
}

function showConfig(run) {
  const changed = run.changed === null ? null : shared(run.changed);
  const place = new Map(data.keys.map((name, key) => [name, key]));
  const rows = (changed ?? []).map(([name, usual]) => [name, textOf(run, place.get(name)), usual]);
  const all = data.keys.map((name, key) => [name, textOf(run, key)]).filter(([, text]) => text !== "absent");
  return [
    changed === null
      ? make("p", {}, "Which keys differ from the defaults cannot be told here; the head of this page says why.")
      : null,
    changed && !rows.length ? make("p", {}, "All keys have their defaults.") : null,
    rows.length ? table("Keys that differ from the defaults", ["key", "value", "default"], rows) : null,
    fold(`All ${all.length} keys`, table("Configuration", ["key", "value"], all)),
  ];
}

function showTold(run) {
  const parts = { cost: run.cost, data: shared(run.data) };
  for (const [name, at] of Object.entries(run.told)) parts[name] = shared(at);
  return ["execution", "versions", ...Object.keys(parts)]
    .filter((name, place, names) => name in parts && names.indexOf(name) === place)
    .map((name) => [name, listValues(parts[name])])
    .filter(([, rows]) => rows.length)
    .map(([name, rows]) => fold(name, table(name, ["what", "value"], rows)));
}

// The values in a value, each with the way to it.
function listValues(value, way = "") {
  if (value === null || typeof value !== "object") return [[way || "is", asText(value)]];
  const inner = Object.entries(value);
  if (Array.isArray(value) && inner.every(([, each]) => each === null || typeof each !== "object"))
    return [[way || "is", value.map(asText).join(", ") || "none"]];
  return inner.flatMap(([name, each]) => listValues(each, way ? `${way}.${name}` : name));
}

const asText = (value) =>
  value !== null && typeof value === "object" ? JSON.stringify(value) : String(value ?? "none");
