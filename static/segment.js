// The builder of segments: an answer that comes late overwrites nothing that changed meanwhile.
(() => {
  let typed = [];
  const tree = () => document.querySelector("[name=tree]")?.value;

  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const sent = detail.requestConfig?.formData;
    if (!sent) return;
    if (detail.target.id !== "conditions") {
      // Numbers of rows that have been added, moved or removed since.
      if (sent.has("tree") && sent.get("tree") !== tree()) detail.shouldSwap = false;
      return;
    }
    // What was typed after the builder asked to be drawn again. Rows keep their places.
    if (!sent.has("draw")) return;
    typed = [...detail.target.querySelectorAll("input[type=text], select")]
      .filter((field) => sent.has(field.name) && sent.get(field.name) !== field.value)
      .map((field) => [field.name, field.value]);
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const [name, value] of typed) {
      const field = document.querySelector(`#conditions [name="${name}"]`);
      if (field) field.value = value;
    }
    typed = [];
  });
})();
