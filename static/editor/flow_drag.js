// Drag and drop: a card that is dropped on a plus moves there, with its branches. The menu of the component
// and Alt with an arrow do the same. The server refuses a place inside its own branches, and says so.
(() => {
  const flow = () => document.getElementById("flow");
  let card = null;

  const placeAt = (target) => target.closest?.(".step-add")?.id.replace("add-", "");
  const mark = (plus) => {
    flow()
      .querySelectorAll(".is-target")
      .forEach((one) => one !== plus && one.classList.remove("is-target"));
    plus?.classList.add("is-target");
  };
  const end = () => {
    card?.classList.remove("is-dragged");
    flow()?.classList.remove("is-dragging");
    mark(null);
    card = null;
  };

  document.addEventListener("dragstart", (event) => {
    card = event.target.closest?.("#flow [data-step]");
    if (!card) return;
    const { left, top } = card.getBoundingClientRect();
    event.dataTransfer.setDragImage(card, event.clientX - left, event.clientY - top);
    event.dataTransfer.setData("text/plain", card.querySelector(".step-name").textContent);
    event.dataTransfer.effectAllowed = "move";
    // After the browser has taken its picture of the card.
    setTimeout(() => {
      card?.classList.add("is-dragged");
      flow().classList.add("is-dragging");
    }, 0);
  });
  document.addEventListener("dragover", (event) => {
    if (!card) return;
    const plus = event.target.closest?.(".step-add");
    const mayDrop = plus && placeAt(plus) !== card.dataset.step;
    mark(mayDrop ? plus : null);
    if (mayDrop) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    const place = card && placeAt(event.target);
    if (!place) return;
    event.preventDefault();
    const { step } = card.dataset;
    end();
    sendCard("drop", step, { after: place });
  });
  document.addEventListener("dragend", end);
})();
