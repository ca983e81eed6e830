// data-combobox: the list of audiences. Without JavaScript a select and a text input stand one below
// the other. With it the select is hidden but still sent, and the input filters it, chooses from it,
// or names a new audience. Roles and keys: combobox with listbox, ARIA Authoring Practices.
(() => {
  const MOST_ROWS = 100;
  const parts = (box) => ({
    input: box.querySelector("[data-input] input"),
    select: box.querySelector("select"),
    list: box.querySelector("[role=listbox]"),
  });
  const setAttributes = (element, attributes) =>
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    setAttributes(element, attributes);
    element.append(...children);
    return element;
  };
  const optionNamed = (select, name) =>
    [...select.options].find((option) => option.value && option.dataset.name === name);

  const addList = (box) => {
    const { input, select, list } = parts(box);
    if (!input || !select || list) return;
    box.querySelector("[data-fallback]").hidden = true;
    const added = make("ul", {
      role: "listbox",
      id: "audience-list",
      class: "combobox-list",
      hidden: "",
      "aria-label": input.labels[0]?.textContent || "",
    });
    setAttributes(input, {
      role: "combobox",
      "aria-expanded": "false",
      "aria-controls": added.id,
      "aria-autocomplete": "list",
      autocomplete: "off",
    });
    input.after(added);
    if (select.value) input.value = select.selectedOptions[0].dataset.name;
    showButton(box);
  };

  // A new name shows the button that creates the audience instead of the one that saves.
  const showButton = (box) => {
    const { input, select } = parts(box);
    const name = input.value.trim();
    const isNew = name !== "" && !select.value && !optionNamed(select, name);
    const create = input.form?.querySelector("[data-create]");
    const save = input.form?.querySelector("[data-save]");
    if (!create || !save) return;
    create.hidden = !isNew;
    create.classList.toggle("btn-primary", isNew);
    save.hidden = isNew;
  };

  const optionRow = (option) => {
    const row = make(
      "li",
      {
        role: "option",
        "data-value": option.value,
        "aria-selected": String(option.selected),
        id: `audience-${option.value}`,
      },
      make("bdi", { class: "d-block" }, option.dataset.name),
      make("span", { class: "combobox-note" }, option.dataset.note),
    );
    if (option.disabled) row.setAttribute("aria-disabled", "true");
    return row;
  };
  const newRow = (box, name) =>
    make(
      "li",
      { role: "option", "data-new": "", id: "audience-new", class: "combobox-new" },
      "+ " + box.dataset.createText.replace("%s", () => name),
    );
  const emptyRow = (box) =>
    make(
      "li",
      { role: "option", "aria-disabled": "true", id: "audience-none" },
      box.dataset.noneText,
    );

  const open = (box, { isFiltered }) => {
    const { input, select, list } = parts(box);
    const name = input.value.trim();
    const wanted = isFiltered ? name.toLocaleLowerCase() : "";
    const rows = [...select.options]
      .filter((option) => option.value)
      .filter((option) => option.dataset.name.toLocaleLowerCase().includes(wanted))
      .slice(0, MOST_ROWS)
      .map(optionRow);
    if (name && !optionNamed(select, name)) rows.push(newRow(box, name));
    if (!rows.length) rows.push(emptyRow(box));
    list.replaceChildren(...rows);
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    input.removeAttribute("aria-activedescendant");
  };
  const close = (box) => {
    const { input, list } = parts(box);
    if (!list) return;
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const choose = (box, row) => {
    if (row.getAttribute("aria-disabled") === "true") return;
    const { input, select } = parts(box);
    select.value = row.dataset.value || "";
    if (row.dataset.value) input.value = select.selectedOptions[0].dataset.name;
    close(box);
    showButton(box);
    input.focus();
  };
  const activeRow = (box) =>
    document.getElementById(parts(box).input.getAttribute("aria-activedescendant"));
  const activate = (box, by) => {
    const { input, list } = parts(box);
    const rows = [...list.children];
    const at = rows.indexOf(activeRow(box));
    const first = by > 0 ? 0 : rows.length - 1;
    const next = rows[at < 0 ? first : (at + by + rows.length) % rows.length];
    rows.forEach((row) => row.classList.toggle("is-active", row === next));
    input.setAttribute("aria-activedescendant", next.id);
    next.scrollIntoView({ block: "nearest" });
  };

  const KEYS = {
    ArrowDown: (box) => activate(box, 1),
    ArrowUp: (box) => activate(box, -1),
    Enter: (box) => (activeRow(box) ? choose(box, activeRow(box)) : close(box)),
    Escape: close,
  };
  const onKey = (box, event) => {
    const act = KEYS[event.key];
    const isArrow = event.key.startsWith("Arrow");
    if (!act || (parts(box).list.hidden && !isArrow)) return;
    event.preventDefault();
    if (parts(box).list.hidden) open(box, { isFiltered: false });
    act(box);
  };
  const connect = (box) => {
    const isInput = (event) => event.target.matches("[role=combobox]");
    box.addEventListener("input", (event) => {
      if (!isInput(event)) return;
      parts(box).select.value = "";
      showButton(box);
      open(box, { isFiltered: true });
    });
    box.addEventListener("click", (event) => {
      const row = event.target.closest("[role=option]");
      if (row) choose(box, row);
      else if (isInput(event)) open(box, { isFiltered: false });
    });
    box.addEventListener("mousedown", (event) => {
      // Else the focus leaves, the list closes, and the click hits nothing.
      if (event.target.closest("[role=listbox]")) event.preventDefault();
    });
    box.addEventListener("focusout", (event) => {
      const goesTo = event.relatedTarget;
      if (isInput(event) && goesTo && !box.contains(goesTo)) close(box);
    });
    box.addEventListener("keydown", (event) => isInput(event) && onKey(box, event));
  };
  document.addEventListener("click", (event) =>
    document
      .querySelectorAll("[data-combobox]")
      .forEach((box) => box.contains(event.target) || close(box)),
  );

  // What is typed while another list is on its way is kept.
  let typed = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target.id !== "audience-fields") return;
    const { input } = parts(event.detail.target);
    typed = { value: input.value, hasFocus: document.activeElement === input };
  });
  const restoreTyped = (box) => {
    if (!typed) return;
    const { input, select } = parts(box);
    if (input.value !== typed.value) {
      input.value = typed.value;
      select.value = optionNamed(select, typed.value)?.value || "";
    }
    if (typed.hasFocus) input.focus();
    typed = null;
    showButton(box);
  };

  island("[data-combobox]", {
    connect,
    update: (box) => {
      addList(box);
      restoreTyped(box);
      const { input, select } = parts(box);
      const isSearching = document.activeElement === input && input.value && !select.value;
      if (isSearching) open(box, { isFiltered: true });
    },
  });
})();
