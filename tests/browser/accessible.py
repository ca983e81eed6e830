"""What is wrong with the open page: axe, language, headings and width."""

from importlib.resources import files

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RUN = f"""async () => (await axe.run({{runOnly: {TAGS}}})).violations.flatMap(
    (one) => one.nodes.map((node) => `${{one.id}}: ${{node.html.slice(0, 200)}}`))"""


# Colours that change with a transition are measured at its end; endless ones cannot be finished.
SETTLE = """() => document.getAnimations().forEach(
    (one) => { try { one.finish() } catch { one.cancel() } })"""


def violations(page, look):
    """Return the violations on the current page."""
    language, width = look
    page.evaluate(SETTLE)
    page.evaluate(f"() => {{ {AXE} }}")  # a script element would be refused by the CSP
    wrong = page.evaluate(RUN)
    if page.locator("html").get_attribute("lang") != language:
        wrong.append("lang")
    if page.locator("h1").count() != 1:
        wrong.append("not one h1")
    if page.evaluate("document.documentElement.scrollWidth") > width:
        wrong.append("scrolls sideways")
    return [f"{page.url}: {one}" for one in wrong]
