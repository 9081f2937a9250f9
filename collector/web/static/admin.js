// What pages do beside what forms and links do: copying, menus that close, a current tab that is in view. Each page works
// without it.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  const words = button.querySelector("span");
  button.addEventListener("click", async () => {
    const text = button.parentElement.querySelector("code").textContent;
    try {
      await navigator.clipboard.writeText(text);
      words.textContent = "Copied";
    } catch {
      words.textContent = "Select it";
      getSelection().selectAllChildren(button.parentElement.querySelector("code"));
    }
    setTimeout(() => (words.textContent = "Copy"), 2000);
  });
}

const menus = () => document.querySelectorAll("details.menu[open], details[data-menu][open]");
document.addEventListener("click", (event) => {
  for (const menu of menus())
    if (!menu.contains(event.target) || event.target.closest(".menu__list :is(a, button)")) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key != "Escape") return;
  for (const menu of menus()) {
    const inside = menu.contains(document.activeElement);
    menu.open = false;
    if (inside) menu.querySelector("summary").focus();
  }
  if (location.hash == "#nav") location.hash = "#main";
});

document.querySelector(".tabs [aria-current], .side-nav [aria-current]")?.scrollIntoView({ block: "nearest" });

// Whoever begins with nothing writes over the question.
if (location.search == "?begin") document.getElementById("question")?.select();

// Filters act as they are chosen; without a script a button sends them.
for (const form of document.querySelectorAll("form[data-at-once]"))
  form.addEventListener("change", () => form.requestSubmit());

// An image that is chosen is uploaded, and its address stands in the field then.
document.addEventListener("change", async ({ target }) => {
  if (!target.matches("input[data-upload]") || !target.files[0]) return;
  const field = document.getElementById(target.dataset.into);
  const told = document.getElementById(`${target.dataset.into}-upload`);
  const body = new FormData();
  body.append("image", target.files[0]);
  target.parentElement.setAttribute("aria-busy", "true");
  told.hidden = true;
  try {
    const reply = await fetch(target.dataset.upload, { method: "POST", body, headers: { Accept: "application/json" } });
    const said = await reply.json();
    if (!reply.ok) throw new Error(said.errors ? `The image ${said.errors[0].detail}.` : said.detail || said.title);
    field.value = said.address;
    for (const name of ["input", "change"]) field.dispatchEvent(new Event(name, { bubbles: true }));
  } catch (error) {
    told.textContent = error instanceof TypeError ? "The image did not arrive. Please try again." : error.message;
    told.hidden = false;
  }
  target.parentElement.removeAttribute("aria-busy");
  target.value = "";
});
