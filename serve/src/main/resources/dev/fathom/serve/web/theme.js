// Dark or light: what the reader chose, else what the system says. Loaded before the page is drawn.
const dark = matchMedia("(prefers-color-scheme: dark)");

function applyTheme() {
  const chosen = localStorage.getItem("fathom.theme");
  document.documentElement.dataset.theme = chosen ?? (dark.matches ? "dark" : "light");
}

applyTheme();
dark.addEventListener("change", applyTheme);

addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("theme");
  button.addEventListener("click", () => {
    localStorage.setItem("fathom.theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    applyTheme();
  });
});
