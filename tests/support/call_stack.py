"""Keep the frames of a deep call stack in one piece of memory.

CPython 3.11 to 3.14 keeps the frames of a thread in chunks of 16 KB. Where a chunk ends, each call
maps memory and each return unmaps it, so that a loop at this depth is several times slower
(https://github.com/python/cpython/issues/142183, fixed in later releases of 3.13 and 3.14). Under
pytest a chunk ends at the depth at which a page makes its queries: 4,700 times in one test. In
production the frames of a page fit into the first chunk.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
FRAME_WORDS = 70_000  # of 8 bytes: more than half a megabyte, and chunks are powers of two


def with_large_stack(
    function: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Call ``function`` with a chunk of 1 MB, which has room for all frames of its calls.

    The system provides only the part of the memory that is used. A new thread has its own chunks.
    """
    return function(*args, **kwargs)


with_large_stack.__code__ = with_large_stack.__code__.replace(co_stacksize=FRAME_WORDS)
