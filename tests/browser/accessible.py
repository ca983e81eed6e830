"""Find violations on the open page: of axe, language, headings and width."""

from importlib.resources import files

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# axe spends no time on the lists of what passed or cannot be told.
OPTIONS = f'{{runOnly: {TAGS}, resultTypes: ["violations"]}}'
RUN_AXE = f"""async () => (await axe.run({OPTIONS})).violations.flatMap(
    (one) => one.nodes.map((node) => `${{one.id}}: ${{node.html.slice(0, 200)}}`))"""


# Without this a colour is measured within a transition; a page learns of a new colour scheme one
# frame later.
STOP_TRANSITIONS = """async () => {
    const still = new CSSStyleSheet();
    still.replaceSync("* { transition: none !important; animation: none !important }");
    document.adoptedStyleSheets = [still];
    for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
}"""
REPEATED_IDS = """() => [...document.querySelectorAll("[id]")].map((one) => one.id)
    .filter((id, at, all) => all.indexOf(id) !== at)"""


def violations(page, look):
    """Return the violations on the current page."""
    language, width = look
    page.evaluate(STOP_TRANSITIONS)
    page.evaluate(f"() => {{ {AXE} }}")  # a script element would be refused by the CSP
    problems = page.evaluate(RUN_AXE)
    page.evaluate("() => { document.adoptedStyleSheets = [] }")
    if page.locator("html").get_attribute("lang") != language:
        problems.append("lang")
    problems += [f"twice: #{element_id}" for element_id in page.evaluate(REPEATED_IDS)]
    if page.locator("h1").count() != 1:
        problems.append("not one h1")
    if page.evaluate("document.documentElement.scrollWidth") > width:
        problems.append("scrolls sideways")
    return [f"{page.url}: {problem}" for problem in problems]
