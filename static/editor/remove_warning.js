// data-when-remove: a warning that shows while the action "remove" is chosen in its form.
(() => {
  const update = (warning) => {
    const form = warning.closest("form");
    warning.hidden = !form?.querySelector("[name=action][value=remove]:checked");
  };
  island("[data-when-remove]", { update });
  document.addEventListener("change", () =>
    document.querySelectorAll("[data-when-remove]").forEach(update),
  );
})();
