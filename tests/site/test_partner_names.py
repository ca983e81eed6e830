"""Only the folder of a partner, the registry and the settings name a partner."""

from tests.site.test_structure import ROOT, files

PRODUCT = files(
    "audiencesync/*.py",
    "partners/*.py",
    "canvases/*.py",
    "templates/*.html",
    "templates/*.txt",
    "static/*.css",
    "static/*.js",
)
ALLOWED = ("partners/tiktok/", "partners/registry.py", "audiencesync/settings.py")


def test_product_code_does_not_name_tiktok():
    mentions = [
        f"{name}:{number}"
        for name, path in ((str(path.relative_to(ROOT)), path) for path in PRODUCT)
        if not name.startswith(ALLOWED)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "tiktok" in line.lower()
    ]
    assert mentions == []


def test_the_walk_reaches_every_kind_of_file():
    assert {path.suffix for path in PRODUCT} >= {".py", ".html", ".css", ".js"}
