"""Fail if a JUnit report of `make test` is missing, has no tests, or has a skipped test.

`no_skips.py build`
"""

import sys
from pathlib import Path
from xml.etree import ElementTree

PARTS = ("sqlite", "crash-sqlite", "browser", "postgresql", "crash-postgresql")
REPORTS = [f"junit-{part}.xml" for part in PARTS]


def problem(report: Path) -> str | None:
    """Return what is wrong with a report, or None."""
    if not report.is_file():
        return f"{report}: no such report"
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))  # noqa: S314 - our own file
    skipped = [
        f"{case.get('classname')}::{case.get('name')}"
        for case in cases
        if case.find("skipped") is not None
    ]
    if len(skipped) == len(cases):
        return f"{report}: no test ran"
    return f"{report}: skipped or expected to fail: {', '.join(skipped)}" if skipped else None


def main() -> int:
    """Return 1 if a report has a problem."""
    problems = [text for name in REPORTS if (text := problem(Path(sys.argv[1]) / name))]
    print("\n".join(problems) or f"No test was skipped in {len(REPORTS)} reports.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
