/* The HTML with line numbers, colours, search and undo, over the textarea, which stays the form's field: what is typed here stands there. */

const area = document.querySelector("[data-code-view]");
const MERGE_TAG = /%[A-Za-z][A-Za-z0-9_-]{0,39}:[A-Za-z0-9_][A-Za-z0-9_ .-]{0,59}(?:\|[^%|\r\n]{0,200})?%/g;

function colours({ HighlightStyle, syntaxHighlighting, tags }) {
  return syntaxHighlighting(HighlightStyle.define([
    { tag: [tags.tagName, tags.keyword], color: "var(--lm-primary-text)" },
    { tag: [tags.attributeName, tags.propertyName], color: "var(--lm-info-text)" },
    { tag: [tags.attributeValue, tags.string, tags.number, tags.unit, tags.color], color: "var(--lm-ok-text)" },
    { tag: [tags.angleBracket, tags.punctuation], color: "var(--lm-text-2)" },
    { tag: [tags.comment, tags.documentMeta], color: "var(--lm-text-3)", fontStyle: "italic" },
    { tag: tags.invalid, color: "var(--lm-bad-text)" },
  ]));
}

function theme({ EditorView }) {
  return EditorView.theme({
    "&": { height: "100%", fontSize: ".78125rem", backgroundColor: "var(--lm-surface)", color: "var(--lm-text)" },
    "&.cm-focused": { outline: "2px solid color-mix(in srgb, var(--lm-primary) 38%, transparent)", outlineOffset: "-2px" },
    ".cm-scroller": { fontFamily: "var(--lm-mono)", lineHeight: "1.25rem", fontVariantLigatures: "none" },
    ".cm-gutters": { backgroundColor: "var(--lm-surface)", color: "var(--lm-text-3)", border: "0" },
    ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--lm-primary) 7%, transparent)" },
    ".cm-line.cm-went-to": { backgroundColor: "var(--lm-warn-soft)" },
    ".cm-cursor": { borderLeftColor: "var(--lm-text)" },
    "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "color-mix(in srgb, var(--lm-primary) 24%, transparent)" },
    ".cm-merge-tag": { color: "var(--lm-doubt-text)" }, ".cm-merge-tag *": { color: "inherit" },
    ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": { backgroundColor: "var(--lm-mute-soft)", outline: "1px solid var(--lm-border-2)" },
    ".cm-searchMatch": { backgroundColor: "var(--lm-warn-soft)", outline: "1px solid var(--lm-warn-line)" },
    ".cm-searchMatch-selected": { backgroundColor: "var(--lm-warn-line)" },
    ".cm-panels": { backgroundColor: "var(--lm-sunken)", color: "var(--lm-text)", borderColor: "var(--lm-border)" },
    ".cm-textfield": { backgroundColor: "var(--lm-surface)", border: "1px solid var(--lm-control)", borderRadius: "6px", color: "var(--lm-text)" },
    ".cm-button": { backgroundImage: "none", backgroundColor: "var(--lm-surface)", border: "1px solid var(--lm-border-2)", borderRadius: "6px", color: "var(--lm-text)" },
    ".cm-panel.cm-search": { padding: "8px 36px 8px 12px" },
    ".cm-panel.cm-search :is(input, button, label)": { fontSize: ".78125rem", lineHeight: "1.25rem" },
    ".cm-panel.cm-search input[type=checkbox]": { marginInlineEnd: "4px", verticalAlign: "-2px" },
    ".cm-panel.cm-search [name=close]": { color: "var(--lm-text-2)", fontSize: "1.125rem", padding: "4px 8px" },
  });
}

function mergeTags({ Decoration, MatchDecorator, ViewPlugin }) {
  const matcher = new MatchDecorator({ regexp: MERGE_TAG, decoration: Decoration.mark({ class: "cm-merge-tag" }) });
  return ViewPlugin.define((view) => ({
    marks: matcher.createDeco(view),
    update(update) { this.marks = matcher.updateDeco(update, this.marks); },
  }), { decorations: (plugin) => plugin.marks });
}

/* The line that a finding led to stays marked until the text changes. */
function wentTo({ Decoration, EditorView, StateEffect, StateField }) {
  const effect = StateEffect.define();
  const field = StateField.define({
    create: () => Decoration.none,
    update(marks, change) {
      for (const one of change.effects) if (one.is(effect)) return Decoration.set([Decoration.line({ class: "cm-went-to" }).range(one.value)]);
      return change.docChanged ? Decoration.none : marks;
    },
    provide: (one) => EditorView.decorations.from(one),
  });
  return { effect, field };
}

function behaviours(cm) {
  return [
    cm.lineNumbers(), cm.highlightActiveLine(), cm.highlightActiveLineGutter(), cm.highlightSpecialChars(), cm.history(), cm.drawSelection(),
    cm.indentOnInput(), cm.bracketMatching(), cm.html({ autoCloseTags: false }), cm.search({ top: true }), cm.highlightSelectionMatches(), cm.indentUnit.of("  "),
    cm.EditorView.lineWrapping, cm.keymap.of([...cm.defaultKeymap, ...cm.historyKeymap, ...cm.searchKeymap, cm.indentWithTab]),
  ];
}

function named() {
  const label = document.querySelector(`label[for="${area.id}"]`);
  return { "aria-label": label?.textContent.trim() ?? "", "aria-describedby": area.getAttribute("aria-describedby") ?? "", spellcheck: "false" };
}

function keep(update) {
  if (!update.docChanged) return;
  area.value = update.state.doc.toString();
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

function build(cm) {
  const went = wentTo(cm);
  const nonce = document.querySelector("script[nonce]")?.nonce ?? "";
  const view = new cm.EditorView({
    doc: area.value,
    extensions: [
      behaviours(cm), colours(cm), theme(cm), mergeTags(cm), went.field, cm.EditorView.cspNonce.of(nonce),
      cm.EditorState.phrases.of(JSON.parse(area.dataset.phrases || "{}")), cm.EditorView.contentAttributes.of(named()), cm.EditorView.updateListener.of(keep),
    ],
  });
  return { view, went };
}

/* What the rest of the page may do with it. */
function handle(cm, { view, went }) {
  return {
    insert(text) { view.dispatch(view.state.replaceSelection(text), { scrollIntoView: true }); view.focus(); },
    replace(text) { view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } }); },
    goTo(line) {
      const at = view.state.doc.line(Math.min(Math.max(line, 1), view.state.doc.lines)).from;
      const effects = [cm.EditorView.scrollIntoView(at, { y: "center" }), ...(line > 0 ? [went.effect.of(at)] : [])];
      view.dispatch({ selection: { anchor: at }, effects });
      view.focus();
    },
    undo() { cm.undo(view); view.focus(); },
    find() { cm.openSearchPanel(view); },
  };
}

if (area) {
  const cm = await import(area.dataset.codeView);
  const made = build(cm);
  area.codeView = handle(cm, made);
  area.before(made.view.dom);
  area.classList.add("lm-hidden");
  document.querySelector(`label[for="${area.id}"]`).addEventListener("click", () => made.view.focus());
  area.addEventListener("focus", () => made.view.focus());
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-code]");
    if (button) area.codeView[button.dataset.code]();
  });
  document.dispatchEvent(new CustomEvent("lm:code-view"));
}
