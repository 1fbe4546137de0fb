// Shows what the address says, whenever it changes.

const overview = document.getElementById("overview");
const view = document.getElementById("view");
const title = document.title;
let left = null; // the address and the place of the overview that a view was opened from
let jump = "";
let shown = null; // the address

function keptState() {
  const { run, compare, norms, wrong, ...kept } = readAddress();
  return kept;
}

function showView(state) {
  if (state.wrong) return showWrong(`The address is not understood at ${state.wrong}.`);
  if (state.run) return showRun(state.run);
  return state.compare ? showComparison(state.compare) : showNorms(state.norms, state.setting);
}

function show() {
  if (location.hash === shown) return;
  shown = location.hash;
  const state = readAddress();
  if (isView(state)) {
    if (!overview.hidden) left = { ...left, scroll: window.scrollY };
    const back = make("p", { class: "back" }, make("a", { href: left?.address ?? "#" }, "← all runs"));
    view.replaceChildren(
      ...[back, showView(state), state.run && byId.has(state.run) ? chooseRun(byId.get(state.run)) : null]
        .flat(4)
        .filter(Boolean),
    );
    overview.hidden = true;
    view.hidden = false;
    const heading = document.getElementById("view-title");
    document.title = `${heading.textContent} · ${title}`;
    window.scrollTo(0, 0);
    heading.focus({ preventScroll: true });
    return;
  }
  const returning = overview.hidden;
  view.hidden = true;
  view.replaceChildren();
  overview.hidden = false;
  document.title = title;
  showMeans(state);
  showRuns(state);
  if (returning) window.scrollTo(0, left?.scroll ?? 0);
  left = { address: location.hash || "#", scroll: window.scrollY };
  if (jump) document.getElementById(jump).scrollIntoView();
  jump = "";
}

// From a run to the comparison of it with another.
function chooseRun(run) {
  const others = data.runs.filter((each) => each !== run);
  if (!others.length) return null;
  const alike = (each) =>
    (each.setting === run.setting) + (each.strategy === run.strategy) + (each.seed === run.seed);
  const ordered = [...others].sort((a, b) => alike(b) - alike(a));
  const select = make(
    "select",
    {},
    ordered.map((each) =>
      make("option", { value: each.id }, `${each.norm} × ${each.strategy}, seed ${each.seed} (${each.id})`),
    ),
  );
  const compare = (event) => {
    event.preventDefault();
    follow(writeAddress({ compare: [run.id, select.value] }));
  };
  return make(
    "form",
    { class: "pair", onsubmit: compare },
    make("label", {}, "compare with ", select),
    make("button", {}, "side by side"),
  );
}

document.addEventListener("click", (event) => {
  jump = event.target.closest("[data-jump]")?.dataset.jump ?? "";
});
window.addEventListener("hashchange", show);
fillMetrics();
gatherWords();
fillFilters();
show();
