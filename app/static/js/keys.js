/* Keys: Ctrl K, /, ?, Ctrl S, Esc, g and a letter, arrows between tabs, j and k between rows. */

const lettersOff = () => { try { return localStorage.getItem("lm-letters") === "off"; } catch { return false; } };
const inField = (element) => element.matches?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
const places = { d: "dashboard", c: "campaigns", s: "settings" };
let waitsForPlace = 0;

function focusOn(selector) {
  const field = [...document.querySelectorAll(selector)].find((one) => one.offsetParent !== null);
  if (field) { field.focus(); field.select?.(); }
  return Boolean(field);
}

/* The box of the side bar leads to the page of the same name; with scripts its dialog comes instead, and has looked already when it does. */
function go(words = "") {
  const dialog = document.querySelector("[data-go]");
  if (!dialog || document.querySelector("dialog[open]")) return Boolean(dialog);
  const field = dialog.querySelector("input");
  field.value = words;
  dialog.showModal();
  field.select();
  field.dispatchEvent(new CustomEvent("lm:asked"));
  return true;
}

function chooseIn(dialog, event) {
  const places = [...dialog.querySelectorAll("[data-go-to]")], field = dialog.querySelector("input");
  if (event.key === "Enter" && event.target === field && places.length) { event.preventDefault(); places[0].click(); return; }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  event.preventDefault();
  const next = places.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
  (next < 0 ? field : places[Math.min(next, places.length - 1)])?.focus();
}

function save() {
  const button = [...document.querySelectorAll("[data-save]")].find((one) => one.offsetParent !== null);
  button?.click();
  return Boolean(button);
}

function goTo(letter) {
  const link = document.querySelector(`[data-place="${places[letter]}"], .lm-side a[href$="/${places[letter]}"], .lm-side a[href$="/${places[letter]}/"]`);
  if (link) link.click();
  return Boolean(link);
}

function moveRow(step) {
  const rows = [...document.querySelectorAll("#panel tbody tr, #panel .lm-items > li")].map((row) => row.querySelector("a.lm-name")).filter(Boolean);
  const here = rows.indexOf(document.activeElement);
  rows[Math.min(Math.max(here + step, 0), rows.length - 1)]?.focus();
  return rows.length > 0;
}

function letter(event) {
  if (Date.now() - waitsForPlace < 1500 && places[event.key]) { waitsForPlace = 0; return goTo(event.key); }
  switch (event.key) {
    case "/": return focusOn("[data-find]") || go();
    case "?": document.querySelector("[data-dialog-open=keys]")?.click(); return true;
    case "g": waitsForPlace = Date.now(); return true;
    case "j": return moveRow(1);
    case "k": return moveRow(-1);
    case "x": { const box = document.activeElement.closest?.("tr")?.querySelector("input[type=checkbox]"); box?.click(); return Boolean(box); }
    default: return false;
  }
}

function escape() {
  if (document.querySelector("dialog[open]")) return;  // The browser closes it.
  const menu = document.querySelector(".lm-menu[open], .lm-account[open]");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); return; }
  if (location.hash === "#navigation") location.hash = "main";
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") escape();
  if ((event.ctrlKey || event.metaKey) && !event.altKey) {
    const done = event.key === "k" ? go() : event.key === "s" ? save() : false;
    if (done) event.preventDefault();
    return;
  }
  if (event.altKey || inField(event.target) || lettersOff() || document.querySelector("dialog[open]")) return;
  if (letter(event)) event.preventDefault();
});

for (const dialog of document.querySelectorAll("[data-go]")) dialog.addEventListener("keydown", (event) => chooseIn(dialog, event));
for (const box of document.querySelectorAll("[data-goto]")) {
  box.addEventListener("pointerdown", (event) => { event.preventDefault(); go(); });
  box.addEventListener("input", () => { const words = box.value; box.value = ""; go(words); });
}
document.addEventListener("click", (event) => { if (event.target.matches?.("dialog[open].lm-go")) event.target.close(); });  // Beside it.

document.addEventListener("keydown", (event) => {
  const tab = event.target.closest?.("[data-tabs] a");
  if (!tab || !["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
  const all = [...tab.closest("[data-tabs]").querySelectorAll("a")];
  const forward = (event.key === "ArrowRight") !== (document.documentElement.dir === "rtl");
  const next = event.key === "Home" ? 0 : event.key === "End" ? all.length - 1 : (all.indexOf(tab) + (forward ? 1 : -1) + all.length) % all.length;
  event.preventDefault();
  all[next].focus();
});

for (const box of document.querySelectorAll("[data-letters]")) {
  box.checked = !lettersOff();
  box.addEventListener("change", () => localStorage.setItem("lm-letters", box.checked ? "on" : "off"));
}

/* The chosen tab is in sight on a phone. Not by scrollIntoView: Chromium would let the Tab key start there, behind the navigation. */
for (const tab of document.querySelectorAll("[data-tabs] [aria-current]")) {
  const bar = tab.closest("[data-tabs]"), place = tab.getBoundingClientRect(), frame = bar.getBoundingClientRect();
  bar.scrollLeft += place.left + place.width / 2 - (frame.left + frame.width / 2);
}
