// data-when-remove, data-when-add: shown while this action is chosen in the form around it.
(() => {
  const PARTS = "[data-when-remove], [data-when-add]";
  const update = (part) => {
    const action = part.closest("form")?.querySelector("[name=action]:checked")?.value;
    part.hidden = action !== ("whenRemove" in part.dataset ? "remove" : "add");
  };
  island(PARTS, { update });
  document.addEventListener("change", () => document.querySelectorAll(PARTS).forEach(update));
})();
