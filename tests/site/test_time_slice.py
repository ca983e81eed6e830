"""Processes of a test run keep a CPU for longer: see `tests.support.time_slice`."""

import subprocess
import sys

from tests.support import time_slice

UNKNOWN = 0  # to this system

SHOW = "from tests.support import time_slice; print(time_slice.milliseconds())"


def test_the_tests_and_their_children_have_long_slices():
    child = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, check=True, text=True)
    for milliseconds in (time_slice.milliseconds(), float(child.stdout)):
        assert milliseconds in (time_slice.MILLISECONDS, UNKNOWN)
