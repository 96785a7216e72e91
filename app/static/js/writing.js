/* A step of a campaign that saves itself: 1.5 s after the last key and on leaving a field, one save at a time. Buttons and links wait for
   the one that is under way. A conflict ends it: then the save bar comes, as for a campaign that is scheduled. */

const form = document.getElementById("writing");
const PAUSE = 1500;
const AGAIN = 5000;
let timer = 0;
let busy = false;
let held = null;
// Whether something was typed while a save was under way, and whether what stands there was refused already.
let typedMeanwhile = false;
let isRefused = false;

const isLive = () => Boolean(form) && form.hasAttribute("data-live");
const isDirty = () => form.hasAttribute("data-dirty");

function say(state) {
  const line = document.getElementById("saved");
  if (line) line.dataset.state = state;
}

function later(wait = PAUSE) {
  clearTimeout(timer);
  timer = setTimeout(save, wait);
}

function save() {
  clearTimeout(timer);
  if (!isLive() || !isDirty() || busy || isRefused) return;
  busy = true;
  typedMeanwhile = false;
  document.getElementById("live").replaceChildren();
  form.dispatchEvent(new CustomEvent("lm:sent", { bubbles: true }));
  say("saving");
  form.dispatchEvent(new CustomEvent("lm:save"));
}

function kept() {
  forgetErrors();
  takeDerived();
  for (const old of document.querySelectorAll("#notice .lm-alert-bad")) old.remove();
  form.dispatchEvent(new CustomEvent("lm:kept", { bubbles: true }));
  document.body.dispatchEvent(new CustomEvent("lm:saved"));
}

/* The plain text that the server derived; the field is read-only as long as it does. */
function takeDerived() {
  const derived = document.querySelector("#live [data-derived]");
  const plain = document.getElementById("plain");
  if (derived && plain?.readOnly) plain.value = derived.value;
}

function forgetErrors() {
  for (const old of form.querySelectorAll("[data-error-of], [id$='-error']")) old.remove();
  for (const field of form.querySelectorAll('[aria-invalid="true"]')) field.removeAttribute("aria-invalid");
  for (const row of form.querySelectorAll(".is-invalid")) row.classList.remove("is-invalid");
}

/* What the server found wrong goes beside its field; the field itself, and the cursor in it, stay as they are. */
function showErrors() {
  const errors = [...document.querySelectorAll("#live [data-error-of]")];
  forgetErrors();
  for (const error of errors) {
    const name = error.dataset.errorOf;
    const row = document.getElementById(`row-${name}`);
    const field = document.getElementById(name);
    (row?.querySelector(".lm-row-control") ?? row ?? form).append(error);
    row?.classList.add("is-invalid");
    field?.setAttribute("aria-invalid", "true");
    const told = (field?.getAttribute("aria-describedby") ?? "").split(" ").filter((one) => one && one !== error.id);
    field?.setAttribute("aria-describedby", [...told, error.id].join(" "));
  }
}

function stop() {
  form.removeAttribute("data-live");
  document.getElementById("conflict")?.scrollIntoView({ block: "nearest" });
  document.querySelector("#conflict h2")?.focus();
}

function ended(context) {
  busy = false;
  const status = context.response?.status ?? 0;
  const isKept = Boolean(document.querySelector("#live [data-kept]"));
  if (isKept) kept();
  else refused(status);
  if (typedMeanwhile && isDirty()) { isRefused = false; say("unsaved"); later(); }
  const act = held;
  held = null;
  if (act) act(isKept);
}

function refused(status) {
  say("failed");
  isRefused = status === 422;
  if (isRefused) showErrors();
  else if (status === 409) stop();
  else later(AGAIN);
}

/* Do something when nothing is on its way any more; without anything to save, at once. */
function afterSave(act) {
  if (isLive() && (busy || isDirty())) { held = act; save(); } else act(true);
}

function leave(event, link) {
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || link.target || link.matches("[hx-get], [data-dialog-open], [data-discard]")) return;
  if (link.origin !== location.origin || (link.pathname === location.pathname && link.hash)) return;
  if (!busy && (!isDirty() || isRefused)) return;
  event.preventDefault();
  afterSave((isKept) => { if (isKept) location.assign(link.href); });
}

function wait(event) {
  if (!busy) return;
  const { target, submitter } = event;
  event.preventDefault();
  event.stopImmediatePropagation();
  held = () => { delete target.dataset.sending; target.requestSubmit(submitter); };
}

function keyed(event) {
  const isSave = (event.ctrlKey || event.metaKey) && !event.altKey && event.key === "s";
  const isEnter = event.key === "Enter" && event.target.form === form && event.target.matches('input:not([type="checkbox"])');
  if (!isSave && !isEnter) return;
  event.preventDefault();
  if (isLive()) save();
  else if (isEnter) form.querySelector("[data-save]")?.click();
}

function changed(event) {
  if (event.target.form !== form || !isLive()) return;
  isRefused = false;
  typedMeanwhile = busy;
  if (isDirty() && !busy) { say("unsaved"); later(); }
}

if (form) {
  document.addEventListener("input", changed);
  document.addEventListener("change", changed);
  form.addEventListener("focusout", save);
  document.addEventListener("htmx:finally:request", (event) => { if (event.detail.ctx?.sourceElement === form) ended(event.detail.ctx); });
  document.addEventListener("submit", wait, true);
  document.addEventListener("keydown", keyed, true);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (link && isLive()) leave(event, link);
    if (event.target.closest?.('[data-dialog-open="test-dialog"]')) save();
  });
}
