// What has changed comes in a template: each of its elements replaces the one with its id. An element of a
// folded branch is not on the page.
island("[data-parts]", {
  connect: (template) =>
    [...template.content.children].forEach((part) => {
      const old = document.getElementById(part.id);
      if (!old) return;
      const hadFocus = old.contains(document.activeElement);
      old.replaceWith(part);
      htmx.process(part);
      if (hadFocus) (part.matches("a") ? part : part.querySelector("a"))?.focus();
    }),
});

// Numbers that were requested before another card or tab was opened would mark the old card as open:
// they are dropped, the next ones come within seconds.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { elt, parameters } = event.detail.requestConfig;
  const isOld = () =>
    ["open", "tab"].some(
      (name) => parameters[name] !== document.getElementById(`panel-${name}`).value,
    );
  if (elt.id === "poll" && isOld()) event.detail.shouldSwap = false;
});

// Another answer may have replaced the poll before its own answer comes. Its target is gone then, so no
// event reaches the document; the numbers are dropped, the next ones come within seconds.
document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
  if (elt.id !== "poll") return;
  elt.addEventListener(
    "htmx:beforeSwap",
    (event) => {
      if (!elt.isConnected) event.detail.shouldSwap = false;
    },
    { once: true },
  );
});
