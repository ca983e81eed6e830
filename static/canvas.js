// The step editor: data-combobox (audiences), data-search (components), data-when-remove (a warning beside its radio).
(() => {
  const on = (name, act) => document.addEventListener(name, act);
  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    element.append(...children);
    return element;
  };
  const parts = (box) => ({ input: box.querySelector("[data-input] input"), select: box.querySelector("select"), list: box.querySelector("[role=listbox]") });

  // The select stays the truth that is sent; the input in front of it filters, chooses and names new audiences.
  const enhance = (box) => {
    const { input, select } = parts(box);
    if (!input || !select || box.querySelector("[role=listbox]")) return;
    box.querySelector("[data-fallback]").hidden = true;
    const list = make("ul", { role: "listbox", id: "audience-list", class: "combobox-list", hidden: "", "aria-label": input.labels[0]?.textContent || "" });
    Object.entries({ role: "combobox", "aria-expanded": "false", "aria-controls": list.id, "aria-autocomplete": "list", autocomplete: "off" })
      .forEach(([name, value]) => input.setAttribute(name, value));
    input.after(list);
    if (select.value) input.value = select.selectedOptions[0].dataset.name;
    mode(box);
  };
  const existing = (select, name) => [...select.options].find((option) => option.value && option.dataset.name === name);
  const mode = (box) => {
    const { input, select } = parts(box), form = input.form;
    const isNew = input.value.trim() !== "" && !select.value && !existing(select, input.value.trim());
    const create = form?.querySelector("[data-create]"), save = form?.querySelector("[data-save]");
    if (!create || !save) return;
    create.hidden = !isNew;
    create.classList.toggle("btn-primary", isNew);
    save.hidden = isNew;
  };
  const row = (box, option) => {
    const item = make("li", { role: "option", "data-value": option.value, "aria-selected": String(option.selected), id: `audience-${option.value}` },
      make("bdi", { class: "d-block" }, option.dataset.name), make("span", { class: "combobox-note" }, option.dataset.note));
    if (option.disabled) item.setAttribute("aria-disabled", "true");
    return item;
  };
  const open = (box, all) => {
    const { input, select, list } = parts(box), name = input.value.trim(), wanted = all ? "" : name.toLocaleLowerCase();
    const fitting = [...select.options].filter((option) => option.value && option.dataset.name.toLocaleLowerCase().includes(wanted));
    const rows = fitting.slice(0, 100).map((option) => row(box, option));
    if (name && !existing(select, name)) rows.push(make("li", { role: "option", "data-new": "", id: "audience-new", class: "combobox-new" }, "+ " + box.dataset.createText.replace("%s", name)));
    if (!rows.length) rows.push(make("li", { role: "option", "aria-disabled": "true", id: "audience-none" }, box.dataset.noneText));
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
  const choose = (box, item) => {
    if (item.getAttribute("aria-disabled") === "true") return;
    const { input, select } = parts(box);
    select.value = item.dataset.value || "";
    if (item.dataset.value) input.value = select.selectedOptions[0].dataset.name;
    close(box);
    mode(box);
    input.focus();
  };
  const step = (box, by) => {
    const { input, list } = parts(box), rows = [...list.children];
    const at = rows.findIndex((item) => item.id === input.getAttribute("aria-activedescendant"));
    const next = rows[(at + by + rows.length + (at < 0 && by < 0 ? 1 : 0)) % rows.length];
    rows.forEach((item) => item.classList.toggle("is-active", item === next));
    input.setAttribute("aria-activedescendant", next.id);
    next.scrollIntoView({ block: "nearest" });
  };
  const boxOf = (event) => event.target.matches?.("[role=combobox]") && event.target.closest("[data-combobox]");
  on("input", (event) => {
    const box = boxOf(event), search = event.target.dataset?.search;
    if (box) { parts(box).select.value = ""; mode(box); open(box, false); }
    if (search) document.querySelectorAll(search).forEach((item) => { item.hidden = !item.textContent.toLocaleLowerCase().includes(event.target.value.trim().toLocaleLowerCase()); });
  });
  on("click", (event) => {
    const item = event.target.closest?.("[data-combobox] [role=option]"), box = boxOf(event);
    if (item) choose(item.closest("[data-combobox]"), item);
    else if (box) open(box, true);
    document.querySelectorAll("[data-combobox]").forEach((one) => one.contains(event.target) || close(one));
  });
  on("mousedown", (event) => event.target.closest?.("[role=listbox]") && event.preventDefault()); // or the focus leaves, the list closes, and the click hits nothing
  on("focusout", (event) => { const box = boxOf(event); if (box && event.relatedTarget && !box.contains(event.relatedTarget)) close(box); });
  on("keydown", (event) => {
    const box = boxOf(event);
    if (!box) return;
    const { input, list } = parts(box), active = document.getElementById(input.getAttribute("aria-activedescendant"));
    if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); if (list.hidden) open(box, true); step(box, event.key === "ArrowDown" ? 1 : -1); }
    if (event.key === "Enter" && !list.hidden) { event.preventDefault(); if (active) choose(box, active); else close(box); }
    if (event.key === "Escape" && !list.hidden) { event.preventDefault(); close(box); }
  });

  // What is typed while a list is on its way stays.
  let typed = null;
  on("htmx:beforeSwap", (event) => {
    if (event.detail.target.id !== "audience-fields") return;
    const { input } = parts(event.detail.target);
    typed = { value: input.value, hasFocus: document.activeElement === input };
  });
  const retype = (box) => {
    if (!typed) return;
    const { input, select } = parts(box);
    if (input.value !== typed.value) { input.value = typed.value; select.value = existing(select, typed.value)?.value || ""; }
    if (typed.hasFocus) input.focus();
    typed = null;
    mode(box);
  };

  // Numbers asked for before another card was opened would mark the old one: the next ones come soon.
  on("htmx:beforeSwap", (event) => {
    const { requestConfig } = event.detail;
    if (requestConfig.elt.id === "poll" && requestConfig.parameters.open !== document.getElementById("panel-open").value) event.detail.shouldSwap = false;
  });

  const warn = () => document.querySelectorAll("[data-when-remove]").forEach((text) => { text.hidden = !document.querySelector('[name=action][value=remove]:checked'); });
  on("change", warn);
  const all = () => { document.querySelectorAll("[data-combobox]").forEach((box) => {
    enhance(box);
    retype(box);
    const { input, select } = parts(box);
    if (document.activeElement === input && input.value && !select.value) open(box, false);
  }); warn(); };
  on("DOMContentLoaded", all);
  on("htmx:afterSwap", all);
})();
