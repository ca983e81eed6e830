"""F39: an add is refused again and again while a removal of the same people arrives. In the end they are not there."""

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["code", "drop", "apply_then_drop", "throttle"])
def test_the_removal_is_the_last_word(town, trouble):
    audience = town.audience()
    add, remove = town.sync(audience), town.sync(audience, action="remove")
    people = town.people(1000)
    town.fault(trouble, **({"code": 50000} if trouble == "code" else {}))
    town.enter(add, people)
    town.beats(0.3)
    town.enter(remove, people[:300])
    town.beats(0.3)
    town.sandbox.faults.clear()
    town.settle()
    assert town.counts(remove) == {"entered": 300, "synced": 300}
    assert town.counts(add)["synced"] >= 700
    assert town.members(audience) == 700
    town.judge()
