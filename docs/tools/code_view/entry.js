/* What the code view of the editor takes from CodeMirror; bundled into app/static/vendor/codemirror.js. */

export { history, historyKeymap, defaultKeymap, indentWithTab, undo, redo, undoDepth } from "@codemirror/commands";
export { html } from "@codemirror/lang-html";
export { HighlightStyle, syntaxHighlighting, bracketMatching, indentOnInput, indentUnit } from "@codemirror/language";
export { search, searchKeymap, openSearchPanel, highlightSelectionMatches } from "@codemirror/search";
export { Compartment, EditorSelection, EditorState, StateEffect, StateField } from "@codemirror/state";
export {
  Decoration, EditorView, MatchDecorator, ViewPlugin, drawSelection, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, keymap,
  lineNumbers,
} from "@codemirror/view";
export { tags } from "@lezer/highlight";
