// What is shown stands in the address behind #, so that it can be shared, and the back button leads back.
//   #run=ID   #compare=ID,ID   #norms=NAME,NAME&setting=ID
//   #metric=..&also=..&sort=KEY or -KEY&text=..&norm=..&strategy=..&protocol=..&setting=..&status=..&chosen=ID,ID

const LISTS = ["compare", "norms", "chosen"];

function readAddress() {
  const state = {};
  for (const part of location.hash.slice(1).split("&").filter(Boolean)) {
    const [name, value = ""] = part.split(/=(.*)/s);
    try {
      state[name] = LISTS.includes(name)
        ? value.split(",").filter(Boolean).map(decodeURIComponent)
        : decodeURIComponent(value);
    } catch {
      state.wrong = part;
    }
  }
  return state;
}

function writeAddress(state) {
  const parts = Object.entries(state)
    .filter(([, value]) => value && value.length)
    .map(
      ([name, value]) =>
        `${name}=${Array.isArray(value) ? value.map(encodeURIComponent).join(",") : encodeURIComponent(value)}`,
    );
  return `#${parts.join("&")}`;
}

// Changes some of the state; `replace` leaves no step to go back to, as for every letter that is typed.
function go(changes, { replace = false } = {}) {
  const address = writeAddress({ ...readAddress(), ...changes });
  if (replace) location.replace(address);
  else location.hash = address;
  show();
}

function follow(address) {
  location.hash = address;
  show();
}

const isView = (state) => Boolean(state.run || state.compare || state.norms || state.wrong);
const toRun = (run) => writeAddress({ run: run.id });
