// An island is a small script for one kind of element. Its functions run after the page is loaded and
// after every swap of htmx: `connect` once per element (to attach listeners), `update` every time.
// A morph keeps an element but removes what a script has added to it: `update` must be idempotent.
window.island = (selector, { connect = () => {}, update = () => {} }) => {
  const connected = new WeakSet();
  const run = () =>
    document.querySelectorAll(selector).forEach((element) => {
      if (!connected.has(element)) connect(element);
      connected.add(element);
      update(element);
    });
  document.addEventListener("DOMContentLoaded", run);
  document.addEventListener("htmx:afterSwap", run);
};
