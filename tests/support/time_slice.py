"""A pytest plugin that gives the processes of a test run longer time slices.

`make test` runs more processes than there are CPUs. By default Linux switches between them after
one to four milliseconds. Each switch costs half a millisecond, because the CPU's caches then hold
the memory of the other process. Five processes that ran the same tests on two CPUs needed 23.4 s of
CPU time each, with longer slices 20.2 s. Tests that wait for a server or a browser gain nothing.
"""

import ctypes
import platform

MILLISECONDS = 20
# The numbers of sched_setattr(2) and sched_getattr(2), for which Python has no function.
_SYSTEM_CALLS = {"x86_64": (314, 315), "aarch64": (274, 275)}
_SCHED_OTHER = 0


class _Attributes(ctypes.Structure):
    """struct sched_attr of linux/sched/types.h."""

    _fields_ = [
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),  # of SCHED_OTHER: the slice in ns, since Linux 6.12
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    ]


def pytest_configure() -> None:
    lengthen()


def lengthen() -> None:
    """Lengthen the slices of this process and its later children; older systems ignore it."""
    attributes = _read()
    if attributes and attributes.policy == _SCHED_OTHER:
        attributes.runtime = MILLISECONDS * 1_000_000
        ctypes.CDLL(None).syscall(_numbers()[0], 0, ctypes.byref(attributes), 0)


def milliseconds() -> float:
    """Return the length of the slices of this process; 0 if the system does not support this."""
    attributes = _read()
    return attributes.runtime / 1_000_000 if attributes else 0


def _read() -> _Attributes | None:
    if numbers := _numbers():
        attributes = _Attributes(size=ctypes.sizeof(_Attributes))
        arguments = (0, ctypes.byref(attributes), ctypes.sizeof(attributes), 0)
        if ctypes.CDLL(None).syscall(numbers[1], *arguments) == 0:
            return attributes
    return None


def _numbers() -> tuple[int, int] | None:
    return _SYSTEM_CALLS.get(platform.machine()) if platform.system() == "Linux" else None
