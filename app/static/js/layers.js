/* Dialogs, drawers, menus, toasts, copying. Everything works without this file: the elements that open a dialog are links. */

const openers = new WeakMap();

function open(dialog, opener) {
  if (dialog.open) dialog.close();
  if (opener) openers.set(dialog, opener);
  dialog.showModal();
  const first = dialog.querySelector("[autofocus]") || dialog.querySelector("[data-close]:not(.lm-close)") || dialog.querySelector("h2");
  if (first) { if (first.tagName === "H2") first.tabIndex = -1; first.focus(); }
}

function toast(words, act) {
  const region = document.getElementById("toasts");
  const template = document.getElementById("lm-toast-template");
  if (!region || !template) return;
  const item = template.content.firstElementChild.cloneNode(true);
  item.querySelector("span").textContent = words;
  if (act) item.append(act);
  region.append(item);
  raise(region);
  fade(item);
}

/* The toasts lie above an open dialog, too. */
function raise(region) {
  if (!region.showPopover) return;
  region.popover = "manual";
  region.hidePopover();
  region.showPopover();
}

function fade(item) {
  let left = setTimeout(() => item.remove(), 6000);
  item.addEventListener("mouseenter", () => clearTimeout(left));
  item.addEventListener("mouseleave", () => { left = setTimeout(() => item.remove(), 3000); });
}

async function copy(button) {
  const source = button.dataset.copyFrom && document.querySelector(button.dataset.copyFrom);
  const text = source ? (source.value ?? source.textContent) : button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyOldWay(text);  // The clipboard is closed to plain http pages.
  }
  toast(button.dataset.said);
}

function copyOldWay(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "lm-only-read";
  (document.querySelector("dialog[open]") || document.body).append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

function close(link, event) {
  const dialog = link.closest("dialog");
  if (!dialog || link.dataset.closeGoes) return;
  event.preventDefault();
  dialog.close();
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog-open]");
  const dialog = opener && document.getElementById(opener.dataset.dialogOpen);
  if (dialog) { event.preventDefault(); opener.closest("details")?.removeAttribute("open"); open(dialog, opener); return; }
  const closer = event.target.closest("[data-close]");
  if (closer) { close(closer, event); return; }
  const copier = event.target.closest("[data-copy], [data-copy-from]");
  if (copier) copy(copier);
  if (event.target.matches("dialog[open].lm-drawer")) event.target.close();  // A click on the backdrop.
  for (const menu of document.querySelectorAll(".lm-menu[open], .lm-account[open]")) if (!menu.contains(event.target)) menu.open = false;
});

document.addEventListener("close", (event) => {
  const opener = openers.get(event.target);
  if (opener?.isConnected) opener.focus();
}, true);

/* A drawer that the server drew open becomes a real layer; a click beside it or Esc goes back to the page without it. */
for (const drawer of document.querySelectorAll("dialog[data-drawer][open]")) {
  drawer.close();
  open(drawer);
  drawer.addEventListener("close", () => { const back = drawer.querySelector("[data-close-goes]"); if (back) location.href = back.href; });
}
for (const dialog of document.querySelectorAll("dialog[data-open-now]")) open(dialog);
for (const item of document.querySelectorAll("#toasts .lm-toast")) fade(item);

/* A menu low on the page opens upwards. */
document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (!menu.matches?.(".lm-menu") || !menu.open) return;
  const list = menu.querySelector(".lm-menu-list");
  menu.classList.toggle("lm-menu-up", list.getBoundingClientRect().bottom > innerHeight - 8);
}, true);

/* The red button wakes when the name is right. */
function wake() {
  for (const button of document.querySelectorAll("[data-wakes]")) {
    const field = document.getElementById(button.dataset.wakes);
    if (field) button.disabled = field.value.trim() !== field.dataset.mustBe;
  }
}
document.addEventListener("input", wake);
document.addEventListener("htmx:after:swap", wake);
wake();

document.addEventListener("lm:toast", (event) => toast(event.detail.text ?? event.detail.value ?? event.detail));
