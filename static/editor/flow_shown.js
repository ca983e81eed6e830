// A flow that is larger than its stage is shown where its open card is, else where it begins.
(() => {
  const open = () => document.querySelector("#flow .step[aria-current]");
  const box = () => {
    const stage = document.getElementById("stage");
    return (stage.clientWidth ? stage : document.getElementById("flow")).getBoundingClientRect();
  };
  const isBeside = (card) => {
    const [at, around] = [card.getBoundingClientRect(), box()];
    return at.left < around.left || at.right > around.right;
  };
  const isAboveOrBelow = (card) => {
    const [at, around] = [card.getBoundingClientRect(), box()];
    return at.top < around.top || at.bottom > around.bottom;
  };
  // On a phone the open panel hides the flow.
  const show = (card) =>
    card?.offsetParent &&
    card.scrollIntoView({ block: "nearest", inline: isBeside(card) ? "center" : "nearest" });

  document.addEventListener("DOMContentLoaded", () => {
    const entry = document.getElementById("card-entry");
    const isAsked = location.hash.startsWith("#card-");
    if (open()) show(open());
    else if (!isAsked && entry && isBeside(entry)) show(entry);
  });

  // After an act the open card is shown again, unless the reader had scrolled away from it.
  let isAsked = false;
  let outOfView = null;
  document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
    isAsked = elt.id !== "poll";
    const card = open();
    outOfView = card && (isBeside(card) || isAboveOrBelow(card)) ? card.id : null;
  });
  document.addEventListener("htmx:afterSettle", () => {
    const card = open();
    if (isAsked && card && card.id !== outOfView) show(card);
  });
})();
