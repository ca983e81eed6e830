"""Fails if a JUnit report tells of a test that was skipped, or of no test at all. `no_skips.py report.xml ...`"""

import sys
from xml.etree import ElementTree  # noqa: S405 - our own test reports


def problem(report: str) -> str | None:
    """What is wrong with one report."""
    root = ElementTree.parse(report).getroot()  # noqa: S314 - as above
    cases = list(root.iter("testcase"))
    skipped = [f"{case.get('classname')}::{case.get('name')}" for case in cases if case.find("skipped") is not None]
    if not cases:
        return f"{report}: no test ran"
    return f"{report}: skipped or expected to fail: {', '.join(skipped)}" if skipped else None


def main() -> int:
    """Exit code 1 if a report has a problem."""
    found = [text for report in sys.argv[1:] if (text := problem(report))]
    print("\n".join(found) or f"No test was skipped in {len(sys.argv) - 1} reports.")
    return 1 if found or len(sys.argv) == 1 else 0


if __name__ == "__main__":
    sys.exit(main())
