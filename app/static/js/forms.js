/* Forms that know what was changed: rows with a way back, the save bar's count, a question before leaving, one submit at a time. */

const fields = (row) => [...row.querySelectorAll("input, select, textarea")].filter((field) => field.name && field.type !== "hidden");

function posted(row) {
  const all = fields(row);
  const box = all.find((field) => field.type === "checkbox");
  if (box && all.length === 1) return box.checked ? "on" : "off";
  const radio = all.find((field) => field.type === "radio");
  if (radio) return all.find((field) => field.checked)?.value ?? "";
  return all[0]?.value ?? "";
}

const started = new WeakMap();

function remember(form) {
  if (!started.has(form)) started.set(form, contents(form));
}

/* What a person can have changed: not the token, not the revision, and not what only shows what the server made of the rest. */
function contents(form) {
  const shown = new Set([...form.querySelectorAll("[readonly][name]")].map((field) => field.name)).add("csrf_token").add("revision");
  return JSON.stringify([...new FormData(form)].filter(([name]) => !shown.has(name)).map(([name, value]) => [name, value instanceof File ? value.name : value]));
}

function look(form) {
  for (const row of form.querySelectorAll("[data-in-force]")) {
    const changed = posted(row) !== row.dataset.inForce;
    row.classList.toggle("is-changed", changed);
    const line = row.querySelector("[data-in-force-line]");
    if (line) line.hidden = !changed;
  }
  form.toggleAttribute("data-dirty", contents(form) !== started.get(form));
  const bar = form.querySelector("[data-save-bar]");
  if (bar) tell(form, bar);
}

/* A form that saves itself says when it goes (lm:sent) and when that was kept (lm:kept): what is typed meanwhile is a change again. */
const sent = new WeakMap();
document.addEventListener("lm:sent", (event) => sent.set(event.target, contents(event.target)));
document.addEventListener("lm:kept", (event) => { started.set(event.target, sent.get(event.target)); look(event.target); });

function changes(form) {
  const rows = form.querySelectorAll("[data-in-force]");
  const known = form.querySelectorAll(".is-changed").length;
  const other = contents(form) !== started.get(form);
  return rows.length ? Math.max(known, other && !known ? 1 : 0) : Number(other);
}

function tell(form, bar) {
  const count = changes(form);
  const words = bar.querySelector("[data-save-count]");
  if (count) words.textContent = count === 1 ? words.dataset.one : words.dataset.many.replace("{count}", count);
  const wrong = form.querySelector('[aria-invalid="true"]');
  bar.toggleAttribute("data-clean", !count && !wrong);
}

function putBack(button) {
  const row = button.closest("[data-in-force]");
  const value = row.dataset.inForce;
  for (const field of fields(row)) {
    if (field.type === "checkbox") field.checked = value === "on";
    else if (field.type === "radio") field.checked = field.value === value;
    else field.value = value;
  }
  fields(row)[0]?.focus();
  row.dispatchEvent(new Event("input", { bubbles: true }));
}

function showSecret(button) {
  const row = button.closest("[data-secret]");
  row.querySelector("[data-secret-field]").classList.remove("lm-no-js");
  document.getElementById(button.dataset.replace)?.focus();
  button.remove();
}

function toFirstError(event) {
  const wrong = document.querySelector('#panel [aria-invalid="true"]');
  if (!wrong) return;
  event.preventDefault();
  wrong.focus();
  wrong.scrollIntoView({ block: "center" });
}

function insert(button) {
  const target = document.querySelector(button.dataset.target);
  if (!target) return;
  const text = button.dataset.insert;
  const at = target.selectionStart ?? target.value.length;
  target.setRangeText(text, at, target.selectionEnd ?? at, "end");
  target.focus();
  target.dispatchEvent(new Event("input", { bubbles: true }));
}

/* Tabs get their red dot from the errors that stand in the panel. */
function dots() {
  const dot = document.querySelector(".lm-tab[aria-current] [data-tab-dot]");
  const panel = document.getElementById("panel");
  if (dot && panel?.querySelector("form[data-saves]")) dot.hidden = !panel.querySelector('[aria-invalid="true"], .is-invalid');
}

function prepare() {
  // The server checks, and says in our words what to do; the browser's own bubbles would come first and say less.
  for (const form of document.querySelectorAll('form[method="post"]')) form.noValidate = true;
  for (const form of document.querySelectorAll("form[data-saves]")) { remember(form); look(form); }
  dots();
}

function edited(event) {
  const form = event.target.closest("form[data-saves]");
  if (!form) return;
  document.querySelector("[data-saved]")?.remove();  // The proof of the last save stays until the next edit.
  look(form);
}
document.addEventListener("input", edited);
document.addEventListener("change", edited);
document.addEventListener("click", (event) => {
  const on = (selector) => event.target.closest(selector);
  if (on("[data-put-back]")) putBack(on("[data-put-back]"));
  if (on("[data-replace]")) showSecret(on("[data-replace]"));
  if (on("[data-insert]")) insert(on("[data-insert]"));
  if (on("[data-first-error]")) toFirstError(event);
  if (on("[data-discard]")) leaving = true;
});

/* A zone that nobody has chosen yet is the browser's own. */
for (const field of document.querySelectorAll("select[data-own-zone]")) {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...field.options].some((option) => option.value === own)) field.value = own;
}

/* A second click while the first is on its way does nothing. */
let leaving = false;
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sending && Date.now() - Number(form.dataset.sending) < 10000) { event.preventDefault(); event.stopImmediatePropagation(); return; }
  if (form.method === "post") form.dataset.sending = String(Date.now());
  leaving = true;
}, true);
document.addEventListener("htmx:finally:request", () => {
  for (const form of document.querySelectorAll("form[data-sending]")) delete form.dataset.sending;
  leaving = false;
});
addEventListener("pageshow", () => { for (const form of document.querySelectorAll("form[data-sending]")) delete form.dataset.sending; });

addEventListener("beforeunload", (event) => {
  const dirty = [...document.querySelectorAll("form[data-saves]")].some((form) => started.has(form) && contents(form) !== started.get(form));
  if (dirty && !leaving) event.preventDefault();
});

document.addEventListener("htmx:after:swap", prepare);
prepare();
