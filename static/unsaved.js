// Asks before typed input is lost. form[data-guard] is watched; data-unsaved marks a form that the server
// has drawn with input it did not store.
(() => {
  const guarded = () => document.querySelector("form[data-guard]");
  const written = (form) => {
    const values = new Map();
    for (const [name, value] of new FormData(form))
      if (name !== "csrfmiddlewaretoken")
        values.set(name, [...(values.get(name) ?? []), value.name ?? value]);
    return values;
  };
  let form = null, // the watched one
    was = new Map(), // its values when it was drawn
    goesOn = false; // an act that was held is done now: it is not asked about again
  const watch = () => {
    form = guarded();
    was = form ? written(form) : new Map();
    note();
  };
  const changed = () => {
    const now = written(form);
    return [...new Set([...was.keys(), ...now.keys()])].filter(
      (name) => JSON.stringify(was.get(name)) !== JSON.stringify(now.get(name)),
    );
  };
  const isDirty = () =>
    Boolean(form?.isConnected) && (form.hasAttribute("data-unsaved") || changed().length > 0);
  // The bar with the save button says how many fields are not saved.
  const note = () => {
    const text = form?.isConnected && form.querySelector(".save-note");
    if (!text) return;
    const n = changed().length;
    const { some, one, many } = text.dataset;
    const isDrawn = form.hasAttribute("data-unsaved");
    text.textContent = isDrawn ? some : n > 1 ? many.replace("%s", n) : n ? one : "";
    text.parentElement.classList.toggle("is-dirty", isDrawn || n > 0);
  };
  ["input", "change", "click"].forEach((kind) =>
    document.addEventListener(kind, () => setTimeout(note, 0)),
  );
  // After the other scripts have filled in their fields.
  addEventListener("DOMContentLoaded", () => setTimeout(watch, 0));
  addEventListener("pageshow", (event) => {
    if (event.persisted) goesOn = false;
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target?.id === "panel") watch();
  });
  // Back draws the whole page again, and says no target.
  document.addEventListener("htmx:historyRestore", () => {
    here = location.href;
    setTimeout(watch, 0);
  });

  const ask = (next) => {
    const dialog = document.getElementById("unsaved");
    const done = (act) => {
      dialog.close();
      act?.();
    };
    const choices = {
      discard: () =>
        done(() => {
          form = null;
          next();
        }),
      save: () => done(() => save(next)),
      stay: () => done(),
    };
    Object.entries(choices).forEach(([name, act]) => {
      dialog.querySelector(`[data-${name}]`).onclick = act;
    });
    dialog.showModal();
  };
  const save = (next) => {
    const button = [...form.querySelectorAll("button:not([type=button])")].find(
      (one) => one.offsetParent,
    );
    // On the document: htmx sends the event to what it swaps, and the form is inside of that.
    const saving = form;
    const saved = ({ detail }) => {
      if (detail.requestConfig.elt !== saving) return;
      document.removeEventListener("htmx:beforeSwap", saved);
      if (detail.xhr.getResponseHeader("HX-Push-Url"))
        document.addEventListener("htmx:afterSettle", next, { once: true });
    };
    if (form.hasAttribute("hx-post")) document.addEventListener("htmx:beforeSwap", saved);
    form.requestSubmit(button);
  };
  const hold = (event, next) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    ask(() => {
      goesOn = true;
      next();
      setTimeout(() => {
        goesOn = false;
      }, 0);
    });
  };
  addEventListener(
    "click",
    (event) => {
      const link = event.target.closest?.("a[href]");
      if (
        !link ||
        goesOn ||
        event.ctrlKey ||
        event.metaKey ||
        event.shiftKey ||
        link.target === "_blank"
      )
        return;
      if (link.matches("[data-discards]")) {
        form = null;
        return;
      }
      if (
        link.getAttribute("href").startsWith("#") ||
        link.matches("[data-dialog], [data-close], [download]") ||
        !isDirty()
      )
        return;
      hold(event, () => link.click());
    },
    true,
  );
  addEventListener(
    "submit",
    (event) => {
      const { target, submitter } = event;
      if (goesOn || target.method === "dialog") return;
      if (target === form) {
        if (!form.hasAttribute("hx-post")) form = null;
        return;
      }
      if (isDirty()) hold(event, () => target.requestSubmit(submitter));
    },
    true,
  );
  addEventListener("popstate", (event) => {
    if (!isDirty() || goesOn) return;
    event.stopImmediatePropagation();
    history.pushState({ htmx: true }, "", here);
    ask(() => history.back());
  });
  addEventListener("beforeunload", (event) => {
    if (!goesOn && isDirty()) event.preventDefault();
  });
  let here = location.href;
  document.addEventListener("htmx:pushedIntoHistory", () => {
    here = location.href;
  });
})();
