"""What is wrong with the open page: axe, language, headings and width."""

from importlib.resources import files

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# axe spends no time on the lists of what passed or cannot be told.
OPTIONS = f'{{runOnly: {TAGS}, resultTypes: ["violations"]}}'
RUN = f"""async () => (await axe.run({OPTIONS})).violations.flatMap(
    (one) => one.nodes.map((node) => `${{one.id}}: ${{node.html.slice(0, 200)}}`))"""


# Without this a colour is measured halfway: the page hears of a new scheme one frame later.
STILL = """async () => {
    const still = new CSSStyleSheet();
    still.replaceSync("* { transition: none !important; animation: none !important }");
    document.adoptedStyleSheets = [still];
    for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
}"""
TWICE = """() => [...document.querySelectorAll("[id]")].map((one) => one.id)
    .filter((id, at, all) => all.indexOf(id) !== at)"""


def violations(page, look):
    """Return the violations on the current page."""
    language, width = look
    page.evaluate(STILL)
    page.evaluate(f"() => {{ {AXE} }}")  # a script element would be refused by the CSP
    wrong = page.evaluate(RUN)
    page.evaluate("() => { document.adoptedStyleSheets = [] }")
    if page.locator("html").get_attribute("lang") != language:
        wrong.append("lang")
    wrong += [f"twice: #{one}" for one in page.evaluate(TWICE)]
    if page.locator("h1").count() != 1:
        wrong.append("not one h1")
    if page.evaluate("document.documentElement.scrollWidth") > width:
        wrong.append("scrolls sideways")
    return [f"{page.url}: {one}" for one in wrong]
