"""Collect and compile the translations (needs gettext). With --check, report what is missing.

The catalogues in locale/overrides replace texts of allauth and Django. They are written by hand
and only compiled here.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import polib

ROOT = Path(__file__).resolve().parent.parent
PO = Path("locale/de/LC_MESSAGES/django.po")
OVERRIDES = [Path(f"locale/overrides/{code}/LC_MESSAGES/django.po") for code in ("de", "en")]
COLLECT = [  # arguments of manage.py
    "makemessages",
    "-l",
    "de",
    "--no-location",
    "--no-obsolete",
    "--no-wrap",
    "-i",
    "build",
    "-i",
    "var",
]
COLLECT += ["-i", "tests"]


def manage(root: Path, *arguments: str) -> None:
    """Run a management command."""
    subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=root, check=True, stdout=subprocess.DEVNULL
    )


def keys(po: polib.POFile) -> set[tuple[str, str, str]]:
    """Return the keys (context, text, plural) of a catalogue."""
    return {
        (entry.msgctxt or "", entry.msgid, entry.msgid_plural) for entry in po if not entry.obsolete
    }


def translations(catalogue: polib.POFile | polib.MOFile) -> dict[tuple[str, str], object]:
    """Return {(context, text): translation or plural forms}."""
    entries = (
        entry
        for entry in catalogue
        if not entry.obsolete and entry.msgid and "fuzzy" not in entry.flags
    )
    return {
        (entry.msgctxt or "", entry.msgid): dict(entry.msgstr_plural) or entry.msgstr
        for entry in entries
    }


def collect_in_copy() -> polib.POFile:
    """Return the catalogue that `make messages` would write, made in a copy of the project."""
    git_files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for file in git_files.stdout.splitlines():
            if (ROOT / file).is_file():
                (copy / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / file, copy / file)
        manage(copy, *COLLECT)
        return polib.pofile(str(copy / PO))


def problems() -> list[str]:
    """Return one line per missing, fuzzy, unused or uncompiled translation."""
    if not (ROOT / PO).exists():
        return [f"{PO} is missing"]
    po, collected = polib.pofile(str(ROOT / PO)), collect_in_copy()
    lines = [f"not translated: {entry.msgid!r}" for entry in po.untranslated_entries()]
    lines += [f"fuzzy: {entry.msgid!r}" for entry in po.fuzzy_entries()]
    lines += [f"not collected: {key[1]!r}" for key in sorted(keys(collected) - keys(po))]
    lines += [f"no longer used: {key[1]!r}" for key in sorted(keys(po) - keys(collected))]
    return lines + [
        f"{path.with_suffix('.mo')} is not compiled"
        for path in (PO, *OVERRIDES)
        if not is_compiled(path)
    ]


def is_compiled(path: Path) -> bool:
    """Return whether the .mo file holds the translations of the .po file."""
    po, mo = ROOT / path, (ROOT / path).with_suffix(".mo")
    return mo.exists() and translations(polib.mofile(str(mo))) == translations(
        polib.pofile(str(po))
    )


def main() -> int:
    """Collect and compile, or check."""
    if "--check" not in sys.argv:
        manage(ROOT, *COLLECT)
        manage(ROOT, "compilemessages", "-l", "de", "-l", "en")
        return 0
    lines = problems()
    for line in lines:
        print(line)
    if lines:
        print(
            f"{len(lines)} problems with the German texts: "
            "run `make messages`, translate, run it again, commit both files."
        )
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
