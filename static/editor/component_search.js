// data-search="<selector>": an input that hides the elements whose text lacks what is typed.
island("[data-search]", {
  connect: (input) =>
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLocaleLowerCase();
      document.querySelectorAll(input.dataset.search).forEach((item) => {
        item.hidden = !item.textContent.toLocaleLowerCase().includes(wanted);
      });
    }),
});
