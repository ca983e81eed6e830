"""Processes of a test run keep a CPU for longer: see `tests.support.time_slice`."""

import os
import platform
import re
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


def _can_lengthen() -> bool:
    """Return whether this system must be able to: since Linux 6.12, for ordinary processes."""
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"):
        return False
    version = tuple(map(int, re.findall(r"\d+", platform.release())[:2]))
    return version >= (6, 12) and os.sched_getscheduler(0) == os.SCHED_OTHER


def test_a_process_and_its_children_have_long_slices():
    process = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, check=True)
    lengths = list(map(float, process.stdout.split()))
    lengthened = [time_slice.MILLISECONDS] * 2  # of the process and of its child
    assert lengths in ([lengthened] if _can_lengthen() else [lengthened, [UNKNOWN] * 2])
