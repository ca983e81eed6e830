"""Processes of a test run keep a CPU for longer: see `tests.support.time_slice`."""

import subprocess
import sys

from tests.support import time_slice

UNKNOWN = 0  # to this system
SHOW = """
import os
from tests.support import time_slice
time_slice.lengthen()
os.fork()
os.write(1, b"%f " % time_slice.milliseconds())
"""


def test_a_process_and_its_children_have_long_slices():
    process = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, check=True)
    lengths = set(map(float, process.stdout.split()))
    assert lengths in ({time_slice.MILLISECONDS}, {UNKNOWN})
