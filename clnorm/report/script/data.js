// What the page is told of the runs, and the questions that it asks of it.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = new Map(data.runs.map((run) => [run.id, run]));
const metricPlace = new Map(data.metrics.map((metric, place) => [metric.key, place]));

const shared = (place) => data.shared[place];
const valueOf = (run, key) => run.values[metricPlace.get(key)] ?? null;
const settingOf = (run) => data.settings[run.setting];
const textOf = (run, key) => {
  const place = run.config[key] ?? -1;
  return place < 0 ? "absent" : data.texts[key][place];
};

// dataset, protocol and backbone
const namesOf = (run) => shared(run.names);
const protocolOf = (run) => namesOf(run)[1];

function statusOf(run) {
  return run.finished ? "finished" : `${run.done} of ${shared(run.stream)[1].length} experiences`;
}

// Classes in the order in which the run met them: name, and first experience from 1.
function classesOf(run) {
  const [names, experiences] = shared(run.stream);
  const first = new Map();
  experiences.forEach((group, index) => group.forEach((label) => first.has(label) || first.set(label, index + 1)));
  return [...first].map(([label, experience]) => ({ name: names[label], experience }));
}

// Of each class its test clips, those that are right, and [name, count] of what else it is taken for.
function countsOf(run) {
  const classes = classesOf(run);
  const names = [...classes.map((each) => each.name), ...run.confusion.more];
  return run.confusion.rows.map((row, place) => {
    const taken = new Map();
    for (let at = 0; at < row.length; at += 2) taken.set(row[at], row[at + 1]);
    const clips = [...taken.values()].reduce((sum, count) => sum + count, 0);
    const right = taken.get(place) ?? 0;
    const wrong = [...taken].filter(([other]) => other !== place).sort((a, b) => b[1] - a[1] || a[0] - b[0]);
    return { ...classes[place], clips, right, taken, wrong: wrong.map(([other, count]) => [names[other], count]) };
  });
}

// The keys in which runs are not all alike, but for those that say where they lie: [name, texts of each run].
function differing(runs) {
  return data.keys
    .map((name, key) => [name, key])
    .filter(
      ([name, key]) => !data.beside.includes(name) && new Set(runs.map((run) => run.config[key] ?? -1)).size > 1,
    )
    .map(([name, key]) => [name, runs.map((run) => textOf(run, key))]);
}

// Student's t interval of the differences b - a of two mappings from seed to value.
function pairedDifference(a, b) {
  const seeds = [...a.keys()].filter((seed) => b.has(seed));
  const differences = seeds.map((seed) => b.get(seed) - a.get(seed));
  const n = differences.length;
  if (!n) return { mean: null, half: null, n };
  const mean = differences.reduce((sum, value) => sum + value, 0) / n;
  if (n === 1) return { mean, half: null, n };
  const largest = Math.max(...seeds.flatMap((seed) => [Math.abs(a.get(seed)), Math.abs(b.get(seed))]));
  if (Math.max(...differences) - Math.min(...differences) <= 1e-12 * largest) return { mean, half: 0, n };
  const variance = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { mean, half: data.quantiles[n] * Math.sqrt(variance / n), n };
}
