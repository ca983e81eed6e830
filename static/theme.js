// Runs before the first paint: says that there is JavaScript, and puts the chosen colours on the page.
(() => {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
  const paint = () => {
    const choice = localStorage.getItem("theme") || "auto";
    root.dataset.bsTheme = choice === "auto" ? (dark.matches ? "dark" : "light") : choice;
  };
  root.classList.add("js");
  dark.addEventListener("change", paint);
  addEventListener("theme", paint);
  paint();
})();
