// Numbers that were requested before another card was opened would mark the old card as open: they
// are dropped, the next ones come within seconds.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { elt, parameters } = event.detail.requestConfig;
  const isOld = () => parameters.open !== document.getElementById("panel-open").value;
  if (elt.id === "poll" && isOld()) event.detail.shouldSwap = false;
});
