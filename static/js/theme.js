// Runs in the head before the first paint, so that no page flashes in the other theme.
(() => {
  const root = document.documentElement;
  const kept = () => {
    try { return localStorage.getItem("theme"); } catch { return null; }
  };
  const apply = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  };
  const isDark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;

  apply(kept());
  addEventListener("storage", (event) => { if (event.key === "theme") apply(event.newValue); });
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-theme-toggle]")) return;
    const next = isDark() ? "light" : "dark";
    apply(next);
    try { localStorage.setItem("theme", next); } catch { /* private mode: the choice lasts for this page */ }
  });
})();
