// Keys of the flow: Escape closes the panel and goes back to its card; Alt with an arrow moves the card
// that has the focus. Both are also links and buttons.
(() => {
  const isBusy = (target) =>
    target.closest("dialog") || target.getAttribute("aria-expanded") === "true";

  document.addEventListener("keydown", (event) => {
    const close = document.getElementById("panel-close");
    const isClosing = event.key === "Escape" && close && !event.defaultPrevented;
    if (isClosing && !isBusy(event.target)) close.click();

    const card = event.target.closest?.("[data-step]");
    const to = { ArrowUp: "up", ArrowDown: "down" }[event.key];
    if (!card || !to || !event.altKey) return;
    event.preventDefault();
    sendCard("move", card.dataset.step, { to });
  });

  // A hidden form moves a card, so that what is typed in the panel is asked about first. Saving that
  // draws the form anew: what it sends is kept here.
  const kept = {};
  window.sendCard = (id, step, values) => {
    kept[id] = { step, values };
    document.getElementById(id)?.requestSubmit();
  };
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    const asked = kept[detail.elt.id];
    if (!asked) return;
    detail.path = detail.path.replace("/steps/0/", `/steps/${asked.step}/`);
    Object.assign(detail.parameters, asked.values);
  });

  // On a phone the panel is a screen of its own: one that opens is read from the top.
  let isOpening = false;
  document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
    if (elt.id !== "poll") isOpening = !elt.closest("#panel");
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (isOpening && !document.getElementById("flow").offsetParent) scrollTo(0, 0);
    isOpening = false;
  });

  // The panel that closes takes the focus with it: it goes to the card.
  let closing = null;
  document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
    closing = elt.id === "panel-close" ? elt.dataset.card : null;
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (closing && !document.getElementById("panel-close"))
      document.getElementById(closing)?.focus();
    closing = null;
  });
})();
