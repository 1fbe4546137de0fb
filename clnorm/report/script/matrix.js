// Matrices as tables whose cells are coloured by their number.

function showMatrix(run, caption = "Accuracy in % on each experience (columns) after training (rows)") {
  const atOnce = run.matrix.length < (run.matrix[0]?.length ?? 0);
  const rows = run.matrix.map((values, step) => [atOnce ? "all" : String(step + 1), ...values]);
  if (run.untrained) rows.unshift(["untrained", ...run.untrained]);
  const width = rows[0]?.length ?? 1;
  const headings = Array.from({ length: width - 1 }, (_, place) => ({
    text: [String(place + 1), run.clips && make("small", {}, ` n=${run.clips[place]}`)].filter(Boolean),
    number: true,
  }));
  const cells = rows.map(([step, ...values]) => [step, ...values.map(showShare)]);
  return table(caption, ["after", ...headings], cells, { classes: "matrix" });
}

function showShare(share) {
  if (share === null) return make("td", { class: "number" }, "");
  return make("td", { class: `number ${heat(share)}` }, percent(share));
}

// Which class is taken for which: rows are classes, columns predictions, both in the order in which they were learned.
function showConfusion(run) {
  const counts = countsOf(run);
  const classes = [...counts, ...run.confusion.more.map((name) => ({ name, experience: null }))];
  const begins = classes.map((each, place) => place > 0 && each.experience !== classes[place - 1].experience);
  const headings = classes.map(({ name }, place) =>
    make("th", { scope: "col", title: name, class: begins[place] ? "begin" : null }, place + 1),
  );
  const rows = counts.map(({ name, clips, taken }, row) =>
    make(
      "tr",
      { class: begins[row] ? "begin" : null },
      make("th", { scope: "row" }, `${row + 1} ${name}`),
      classes.map((_, column) => {
        const count = taken.get(column) ?? 0;
        const kinds = [count ? heat(count / clips) : "", begins[column] ? "begin" : ""].filter(Boolean).join(" ");
        return make(
          "td",
          {
            class: kinds || null,
            title: count ? `${name}: ${count} of ${clips} taken for ${classes[column].name}` : null,
          },
          count || "",
        );
      }),
    ),
  );
  const caption =
    "Test clips of each class (rows) that are taken for each class (columns) in the end; lines part experiences";
  const head = make("thead", {}, make("tr", {}, make("td", {}), headings));
  const whole = make("table", { class: "confusion" }, make("caption", {}, caption), head, make("tbody", {}, rows));
  return scroll(caption, whole);
}

function showClasses(run) {
  const rows = countsOf(run).map(({ name, experience, clips, right, wrong }) => [
    name,
    String(experience),
    String(clips),
    clips ? showShare(right / clips) : "--",
    wrong
      .slice(0, 5)
      .map(([other, count]) => `${other} ${count}`)
      .join(", "),
  ]);
  return table("Classes, after the last step", ["class", ...numeric("experience", "clips", "%"), "taken for"], rows);
}
