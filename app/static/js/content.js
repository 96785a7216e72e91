/* The content step: counts, the two texts, merge tags, cures of findings, the preview's frame, and on phones one pane at a time. */

const form = document.getElementById("writing");
const takers = () => [...form.querySelectorAll("[data-takes-tags]")];
let last = document.getElementById("html");

/* Put text where the cursor was last in a field, or over what is selected there. */
function insert(field, text) {
  if (field.codeView) { field.codeView.insert(text); return; }
  field.setRangeText(text, field.selectionStart ?? field.value.length, field.selectionEnd ?? field.value.length, "end");
  field.focus();
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

function rewrite(field, value) {
  if (field.readOnly || value === field.value) return;
  if (field.codeView) { field.codeView.replace(value); return; }
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

/* Counts: as the chosen subscriber gets it. */
const TAG = /%([A-Za-z][A-Za-z0-9_-]{0,39}:[A-Za-z0-9_][A-Za-z0-9_ .-]{0,59})(?:\|([^%|\r\n]{0,200}))?%/g;

function filled(text) {
  const choices = document.querySelector("#seen [data-values]");
  const values = JSON.parse(choices?.dataset.values || "{}");
  return text.replace(TAG, (whole, name, standIn) => (name in values ? values[name] || standIn || "" : whole));
}

function count() {
  const person = document.querySelector("#seen [data-person]")?.dataset.person;
  for (const line of document.querySelectorAll("[data-count-of]")) {
    const text = filled(document.getElementById(line.dataset.countOf).value);
    const words = (person && line.dataset.wordsFor) || line.dataset.words;
    line.textContent = words.replace("{count}", [...text].length).replace("{name}", () => person);
  }
}

/* HTML and plain text: both are in the form, one is shown. */
const tabs = [...document.querySelectorAll('.lm-source [role="tab"]')];

function show(part) {
  document.querySelector(".lm-source").dataset.hasTabs = "";
  for (const tab of tabs) {
    const isShown = tab.id === `tab-${part}`;
    tab.setAttribute("aria-selected", String(isShown));
    tab.tabIndex = isShown ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = !isShown;
  }
  for (const button of document.querySelectorAll("[data-code]")) button.hidden = part !== "html";
}

function dots() {
  for (const dot of document.querySelectorAll("[data-dot-of]")) {
    dot.hidden = !document.querySelector(`#preflight [data-about="${dot.dataset.dotOf}"]`);
  }
}

/* One pane at a time on phones. */
function showPane(name) {
  document.querySelector(".lm-write").dataset.shown = name;
  for (const button of document.querySelectorAll("[data-pane]")) button.setAttribute("aria-pressed", String(button.dataset.pane === name));
}

function goTo(name, line) {
  const field = document.getElementById(name);
  if (!field) return;
  showPane("write");
  if (name === "html" || name === "plain") show(name);
  if (field.codeView) field.codeView.goTo(line);
  else toLine(field, line);
}

function toLine(field, line) {
  field.focus();
  if (line < 1 || field.tagName !== "TEXTAREA") return;
  const lines = field.value.split("\n");
  const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  field.setSelectionRange(start, start + (lines[line - 1] ?? "").length);
}

/* Merge tags: one list, which moves to the menu that is opened. */
const list = document.querySelector("[data-tag-list]");

function opened(menu) {
  if (menu.dataset.tags) last = document.getElementById(menu.dataset.tags);
  menu.append(list);
  const find = list.querySelector("[data-find-tag]");
  find.value = "";
  narrow("");
  find.focus();
}

function narrow(text) {
  const wanted = text.trim().toLowerCase();
  for (const tag of list.querySelectorAll("[data-insert]")) tag.hidden = !tag.textContent.toLowerCase().includes(wanted);
  for (const group of list.querySelectorAll("[data-tag-group]")) group.hidden = !group.querySelector("[data-insert]:not([hidden])");
  list.querySelector("[data-no-tag]").hidden = Boolean(list.querySelector("[data-insert]:not([hidden])"));
}

function choose(tag) {
  tag.closest("details").open = false;
  const field = last.readOnly ? document.getElementById("html") : last;
  insert(field, tag.dataset.insert);
}

/* Cures: they work on what stands in the form, saved or not. */
const cures = {
  goto: (button) => goTo(button.dataset.field, Number(button.dataset.line)),
  unsubscribe: (button) => {
    const field = document.getElementById(button.dataset.field);
    const close = field.id === "html" ? field.value.search(/<\/body\s*>/i) : -1;
    const at = close < 0 ? field.value.length : close;
    const before = field.value.slice(0, at);
    const text = `${before && !before.endsWith("\n") ? "\n" : ""}${button.dataset.text}\n`;
    rewrite(field, before + text + field.value.slice(at));
    goTo(field.id, (before + text).split("\n").length - 1);
  },
  fallback: (button) => {
    const word = button.parentElement.querySelector("[data-fallback]").value.replace(/[%|\r\n]/g, "").trim();
    if (!word) { button.parentElement.querySelector("[data-fallback]").focus(); return; }
    for (const field of takers()) rewrite(field, field.value.replaceAll("%Subscriber:FirstName%", `%Subscriber:FirstName|${word}%`));
  },
};

/* The frame keeps its place; a new address goes into it without a step in the browser's history. */
function drawFrame() {
  const url = document.querySelector("#seen [data-frame-url]")?.dataset.frameUrl;
  const frame = document.getElementById("frame");
  if (!url || frame.dataset.url === url) return;
  frame.dataset.url = url;
  frame.contentWindow.location.replace(url);
}

/* A wide mail in a narrow pane is drawn smaller, as it would be on that screen seen from further away. */
function scale() {
  const room = document.querySelector(".lm-seen-frame");
  const wide = document.querySelector('#seen [data-width="desktop"]');
  const ratio = wide ? Math.min(1, room.clientWidth / 700) : 1;
  room.style.setProperty("--lm-scale", String(ratio));
}

document.addEventListener("focusin", (event) => {
  const field = event.target.closest?.("[data-takes-tags]") ?? (event.target.closest?.(".cm-content") && document.getElementById("html"));
  if (field) last = field;
});
document.addEventListener("input", (event) => {
  if (event.target.matches("[data-find-tag]")) narrow(event.target.value);
  if (event.target.form === form) count();
});
document.addEventListener("change", (event) => {
  const field = event.target.dataset.derives && document.getElementById(event.target.dataset.derives);
  if (field) field.readOnly = event.target.checked;
});
document.addEventListener("toggle", (event) => { if (event.target.matches?.("[data-tags]") && event.target.open) opened(event.target); }, true);
document.addEventListener("keydown", (event) => {
  if (event.target.matches?.("[data-find-tag]") && event.key === "Enter") {
    event.preventDefault();
    const first = list.querySelector("[data-insert]:not([hidden])");
    if (first) choose(first);
  }
  if (event.target.matches?.("[data-fallback]") && event.key === "Enter") event.target.parentElement.querySelector("[data-cure]").click();
  const at = tabs.indexOf(event.target);
  if (at >= 0 && ["ArrowLeft", "ArrowRight"].includes(event.key)) { const next = tabs[1 - at]; next.click(); next.focus(); }
});
document.addEventListener("click", (event) => {
  const on = (selector) => event.target.closest?.(selector);
  if (on("[data-cure]")) { event.preventDefault(); cures[on("[data-cure]").dataset.cure](on("[data-cure]")); }
  if (on("[data-tag-list] [data-insert]")) choose(on("[data-insert]"));
  if (on('[role="tab"]')) show(on('[role="tab"]').id.replace("tab-", ""));
  if (on("[data-pane]")) showPane(on("[data-pane]").dataset.pane);
});
document.addEventListener("htmx:after:swap", () => { count(); dots(); drawFrame(); scale(); });
addEventListener("resize", scale);

show(document.querySelector("#row-plain [aria-invalid]") ? "plain" : "html");
document.getElementById("frame").dataset.url = document.getElementById("frame").getAttribute("src") ?? "";
count();
dots();
scale();
/* A finding on another step led here: to a field, perhaps to its line. */
const asked = /^#row-(subject|preheader|html|plain)$/.exec(location.hash)?.[1];
const arrive = () => goTo(asked, Number(new URLSearchParams(location.search).get("line")));
if (asked) { if (asked === "html") document.addEventListener("lm:code-view", arrive, { once: true }); else arrive(); }
