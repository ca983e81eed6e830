// Runs before the first paint: marks the page as scripted and sets the chosen theme.
(() => {
  const root = document.documentElement,
    dark = matchMedia("(prefers-color-scheme: dark)");
  const paint = () => {
    const choice = localStorage.getItem("theme") || "auto";
    root.dataset.bsTheme = choice === "auto" ? (dark.matches ? "dark" : "light") : choice;
  };
  root.classList.add("js");
  dark.addEventListener("change", paint);
  addEventListener("theme", paint);
  paint();
})();
