// Elements and numbers. Text is set as text alone: nothing that a record says is read as markup.

function make(tag, attributes = {}, ...inner) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...inner.flat(3).filter((each) => each !== null && each !== undefined && each !== false));
  return element;
}

function draw(tag, attributes = {}, ...inner) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inner.flat(2));
  return element;
}

// A share in per cent with one decimal, a half rounded away from zero as by hand: what the command line prints, too.
function percent(share, sign = "") {
  if (share === null || share === undefined || Number.isNaN(share)) return "--";
  const [whole, digits] = Math.abs(share).toFixed(12).split(".");
  const tenths = (BigInt(whole + digits) + 500000000n) / 1000000000n;
  const text = `${tenths / 10n}.${tenths % 10n}`;
  if (share < 0 && tenths > 0n) return `-${text}`;
  return sign + text;
}

function interval(mean, half) {
  if (mean === null) return "--";
  return half === null ? percent(mean) : `${percent(mean)} ± ${percent(half)}`;
}

const counted = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;

// A table in a box that scrolls by itself, which the keyboard reaches.
function table(caption, headings, rows, { classes = "", note = "" } = {}) {
  const head = headings.map((heading) => {
    const told = typeof heading === "object" ? heading : { text: heading };
    return make("th", { scope: "col", class: told.number ? "number" : null, title: told.title }, told.text);
  });
  const body = rows.map((row) =>
    make(
      "tr",
      {},
      row.map((value, place) => cell(value, place, headings[place])),
    ),
  );
  const whole = make(
    "table",
    { class: classes || null },
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, head)),
    make("tbody", {}, body),
  );
  return make("div", {}, scroll(caption, whole), note && make("p", { class: "soft" }, note));
}

const LONG = 20; // characters above which a cell may be broken

function cell(value, place, heading) {
  if (value instanceof HTMLTableCellElement) return value;
  const long = typeof value === "string" && value.length > LONG ? "long" : null;
  if (place === 0) return make("th", { scope: "row", class: long }, value);
  const number = typeof heading === "object" && heading.number;
  return make("td", { class: number ? "number" : long }, value);
}

const scroll = (label, inner) =>
  make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, inner);
const numeric = (...texts) => texts.map((text) => ({ text, number: true }));

function fold(title, ...inner) {
  return make("details", {}, make("summary", {}, title), ...inner);
}

// A colour of eleven for a share.
const heat = (share) => `heat h${Math.round(10 * Math.min(1, Math.max(0, share)))}`;
