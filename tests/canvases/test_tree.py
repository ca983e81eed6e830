"""The flow of a canvas as a tree of blocks: the next step, the reading order, the nesting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canvases import tree
from canvases.models import Step

pytestmark = pytest.mark.once


def steps(*rows):
    """(id, parent, branch) -> steps that are not saved."""
    return [Step(pk=pk, parent_id=parent, branch=branch) for pk, parent, branch in rows]


# 1 delay, 2 split (yes: 3; no: 4, then 5 exit), 6 after the block
FLOW = steps((1, None, 0), (2, 1, 0), (3, 2, 1), (4, 2, 2), (5, 4, 0), (6, 2, 0))
# 1 split (1: 2 split (1: 3, 2: nothing), 2: nothing), 4 after 1
NESTED = steps((1, None, 0), (2, 1, 1), (3, 2, 1), (4, 1, 0))


@pytest.mark.parametrize(
    ("flow", "step", "branch", "expected"),
    [
        (FLOW, 1, 0, 2),
        (FLOW, 2, 1, 3),
        (FLOW, 2, 2, 4),
        (FLOW, 4, 0, 5),
        (FLOW, 3, 0, 6),  # the branches meet after the block
        (FLOW, 2, 3, 6),  # so does a branch without steps
        (FLOW, 6, 0, None),
        (NESTED, 3, 0, 4),  # out of two blocks at once
        (NESTED, 2, 2, 4),
        (NESTED, 1, 2, 4),
        (NESTED, 4, 0, None),
    ],
)
def test_what_follows(flow, step, branch, expected):
    by_id = {one.pk: one for one in flow}

    following = tree.following(flow, by_id[step], branch)

    assert (following.pk if following else None) == expected


def test_branches_are_read_before_what_comes_after_the_block():
    assert [one.pk for one in tree.in_order(FLOW[::-1])] == [1, 2, 3, 4, 5, 6]
    assert [one.pk for one in tree.steps_inside(FLOW, FLOW[1])] == [3, 4, 5]


NUMBERS = {2: (1, 2), 5: ()}  # 2 is a split, 5 an exit


def test_the_outline_says_which_branches_go_on():
    path = tree.outline(FLOW, lambda step: NUMBERS.get(step.pk, (0,)))

    split = path.nodes[1]
    assert [node.step.pk for node in path.nodes] == [1, 2, 6]
    assert [(branch.number, branch.ends) for branch in split.branches] == [(1, False), (2, True)]
    assert (split.first, split.last, split.ends, path.ends) == (1, 1, False, False)
    assert (path.last.pk, split.branches[1].last.pk) == (6, 5)


def test_a_block_of_exits_has_no_way_out():
    flow = steps((1, None, 0), (2, 1, 1), (3, 1, 2))

    path = tree.outline(flow, lambda step: (1, 2) if step.pk == 1 else ())

    assert (path.ends, path.nodes[0].ends, path.nodes[0].first) == (True, True, 0)


@st.composite
def trees(draw):
    """Steps at random free places; some are splits of two branches."""
    rows, places = [(1, None, 0)], [(1, 0), (1, 1), (1, 2)]
    for pk in range(2, draw(st.integers(2, 12))):
        parent, branch = places.pop(draw(st.integers(0, len(places) - 1)))
        rows.append((pk, parent, branch))
        places += [(pk, 0), (pk, 1), (pk, 2)]
    return steps(*rows)


@given(trees(), st.randoms())
def test_every_way_reads_on_and_ends(flow, random):
    order = {step.pk: n for n, step in enumerate(tree.in_order(flow))}
    assert sorted(order) == [step.pk for step in flow]

    step = tree.in_order(flow)[0]
    while (found := tree.following(flow, step, random.choice([0, 1, 2]))) is not None:
        assert order[found.pk] > order[step.pk]
        step = found
