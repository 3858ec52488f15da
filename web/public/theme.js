// Before the first paint, so that the page never flashes in the other colours.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("cella.theme");
  } catch {
    // A browser that keeps nothing follows the system.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
