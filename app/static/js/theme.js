/* Runs before the first paint: says that scripts work, and puts on the colours the reader chose (system until they choose). */
(() => {
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const read = () => { try { return localStorage.getItem("lm-theme") || "system"; } catch { return "system"; } };
  const paint = () => {
    const choice = read();
    root.dataset.bsTheme = choice === "system" ? (dark.matches ? "dark" : "light") : choice;
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
    }
  };
  root.dataset.js = "";
  paint();
  dark.addEventListener("change", paint);
  window.addEventListener("storage", paint);
  document.addEventListener("DOMContentLoaded", paint);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-choice]");
    if (!button) return;
    try { localStorage.setItem("lm-theme", button.dataset.themeChoice); } catch { root.dataset.bsTheme = button.dataset.themeChoice; }
    paint();
  });
})();
