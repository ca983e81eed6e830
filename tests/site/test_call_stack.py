"""Deep stacks cost no memory traffic: see `tests.support.call_stack`."""

import resource

from tests.support.call_stack import with_large_stack

MOST_FRAMES, N_CALLS = 400, 200


def n_page_faults():
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt


def leaf(value):
    return value


def calls_at(depth):
    """Call a function in a loop below ``depth`` frames."""
    if depth:
        calls_at(depth - 1)
    else:
        for number in range(N_CALLS):
            leaf(number)


def calls_at_each_depth():
    calls_at(MOST_FRAMES)  # the first use of memory is a page fault, too
    before = n_page_faults()
    for depth in range(MOST_FRAMES):
        calls_at(depth)
    return n_page_faults() - before


def test_no_call_in_a_deep_stack_maps_memory():
    assert with_large_stack(calls_at_each_depth) < N_CALLS


def test_the_function_gets_its_arguments_and_gives_its_result():
    assert with_large_stack(dict, [("one", 1)], two=2) == {"one": 1, "two": 2}
