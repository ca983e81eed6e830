// Behaviour of every page hangs on data attributes: data-busy, data-dialog, data-close, data-dismiss,
// data-menu-toggle, data-theme-choice, data-focus, data-poll, data-copy.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const on = (name, act, capture = false) => document.addEventListener(name, act, capture);

  // Toasts: the live region stands in base.html before anything is said in it.
  const toast = (text, kind = "success") => {
    const box = $("#toast-template").content.firstElementChild.cloneNode(true);
    box.classList.add(`alert-${kind}`);
    $("[data-text]", box).textContent = text;
    $(kind === "danger" ? "#toasts-urgent" : "#toasts").append(box);
    if (kind !== "danger") setTimeout(() => box.remove(), 6000);
  };
  on("toast", (event) => toast(event.detail.text));

  // Copies the text of an element, and selects it, so that the keys copy it where the browser cannot.
  const copyText = async (from, done) => {
    getSelection().selectAllChildren(from);
    try {
      await navigator.clipboard.writeText(from.textContent);
    } catch {
      if (!document.execCommand("copy")) return;
    }
    toast(done);
  };

  // A form is sent once: the button says what is happening until the answer is here.
  const waiting = new WeakMap();
  const busy = (form, button) => {
    if (!button) return;
    waiting.set(form, { button, label: [...button.childNodes] });
    if (button.dataset.busy) button.replaceChildren(button.dataset.busy);
    button.disabled = true;
  };
  const free = (form) => {
    form.removeAttribute("aria-busy");
    const was = waiting.get(form);
    if (!was) return;
    was.button.replaceChildren(...was.label);
    was.button.disabled = false;
    // A button loses the focus when it is disabled.
    if (document.activeElement === document.body) was.button.focus({ preventScroll: true });
    waiting.delete(form);
  };
  on(
    "submit",
    (event) => {
      const form = event.target;
      if (form.method !== "post") return;
      if (form.hasAttribute("aria-busy")) {
        event.preventDefault();
        event.stopImmediatePropagation();
        return;
      }
      form.setAttribute("aria-busy", "true");
      // After the browser has read the form: a disabled button sends no value.
      setTimeout(() => {
        busy(form, event.submitter);
        // A menu closes with what was chosen in it, and keeps the focus.
        const menu = form.closest("details.menu");
        if (!menu) return;
        menu.open = false;
        $("summary", menu).focus();
      }, 0);
    },
    true,
  );
  const answered = (event) => {
    const form = event.detail.elt.closest?.("form");
    if (form) free(form);
  };
  on("htmx:beforeOnLoad", answered);
  on("htmx:afterRequest", answered);
  addEventListener(
    "pageshow",
    (event) => event.persisted && document.querySelectorAll("form[aria-busy]").forEach(free),
  );

  // Another answer may have replaced the element of a request before its own answer comes. htmx looks for
  // targets from that element, so it is put back, hidden and empty, until the swap. Old numbers are dropped.
  on("htmx:beforeSwap", ({ detail }) => {
    const { elt } = detail.requestConfig || {};
    if (!elt || elt.isConnected) return;
    if (elt.id === "poll") {
      detail.shouldSwap = false;
      return;
    }
    elt.hidden = true;
    elt.removeAttribute("id"); // what replaced it may have the same
    elt.replaceChildren();
    document.body.append(elt);
    setTimeout(() => elt.remove(), 0);
  });

  // Dialogs: data-dialog="#id" opens that dialog; a link with an empty data-dialog loads the fragment of its
  // page into the shared dialog.
  const load = async (address) => {
    const dialog = $("#dialog");
    dialog.replaceChildren();
    await htmx.ajax("GET", address, { target: dialog, swap: "innerHTML" });
    if (dialog.childElementCount) dialog.showModal();
  };
  on("click", (event) => {
    const at = (selector) => event.target.closest(selector);
    const opener = at("[data-dialog]"),
      choice = at("[data-theme-choice]");
    if (opener && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      if (opener.dataset.dialog) $(opener.dataset.dialog).showModal();
      else load(opener.href);
    }
    const toggle = at("[data-menu-toggle]");
    if (toggle)
      toggle.setAttribute("aria-expanded", $(toggle.dataset.menuToggle).classList.toggle("show"));
    if (at("[data-close]")) {
      event.preventDefault();
      at("dialog").close();
    }
    const copy = at("[data-copy]");
    if (copy) copyText($(copy.dataset.copy), copy.dataset.copied);
    if (at("[data-dismiss]")) at("[data-dismissable]").remove();
    if (choice) {
      localStorage.setItem("theme", choice.dataset.themeChoice);
      dispatchEvent(new Event("theme"));
      pressed();
    }
    document
      .querySelectorAll("details.menu[open]")
      .forEach((menu) => menu.contains(event.target) || (menu.open = false));
  });
  on("keydown", (event) => {
    const menu = event.key === "Escape" && $("details.menu[open]");
    if (menu) {
      menu.open = false;
      $("summary", menu).focus();
    }
  });
  const pressed = () =>
    document
      .querySelectorAll("[data-theme-choice]")
      .forEach((button) =>
        button.setAttribute(
          "aria-pressed",
          button.dataset.themeChoice === (localStorage.getItem("theme") || "auto"),
        ),
      );
  on("DOMContentLoaded", pressed);

  // After a swap the focus goes to the element that the answer marks with data-focus. If the focused
  // element is gone and none is marked, it goes to the heading of its replacement.
  const heir = ({ target, requestConfig }) => {
    if (
      document.activeElement !== document.body ||
      !requestConfig ||
      requestConfig.elt.matches("[data-poll]")
    )
      return null;
    const now = document.getElementById(target.id);
    return now && ($("h2", now) || now);
  };
  on("htmx:afterSettle", (event) => {
    const target = $("[data-focus]") || heir(event.detail);
    if (!target) return;
    target.removeAttribute("data-focus");
    if (target.tabIndex < 0) target.tabIndex = -1;
    target.focus();
    const panel = target.closest("#panel"),
      top = (element) => element.getBoundingClientRect().top;
    // Where the panel stands below the flow, it is brought into view as a whole.
    if (panel && matchMedia("(max-width: 991.98px)").matches && top(target) - top(panel) < 200)
      panel.scrollIntoView({ block: "start" });
  });
  // Numbers are not asked for while nobody looks.
  on(
    "htmx:beforeRequest",
    (event) => document.hidden && event.detail.elt.matches("[data-poll]") && event.preventDefault(),
  );
  // What a page asks for by itself shows no activity of the user: a session may end meanwhile.
  on("htmx:configRequest", ({ detail }) => {
    if (detail.elt.matches("[data-poll], [hx-trigger^=load]")) detail.headers["X-Background"] = "1";
  });
  // A session that ended answers with the sign-in page: show it as a page, not inside a panel.
  on("htmx:beforeSwap", (event) => {
    if (
      new URL(event.detail.xhr.responseURL || location.href).pathname !==
      document.body.dataset.signIn
    )
      return;
    event.preventDefault();
    location.reload();
  });
  const failed = (event) =>
    event.detail.elt.matches?.("[data-poll]") || toast(document.body.dataset.failed, "danger");
  on("htmx:responseError", failed);
  on("htmx:sendError", failed);
})();
