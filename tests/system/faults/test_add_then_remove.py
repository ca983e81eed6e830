"""F39: adds keep failing while a removal of the same people arrives; the removal wins."""

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["code", "drop", "apply_then_drop", "throttle"])
def test_a_removal_after_a_failing_add_wins(world, fault):
    audience = world.create_audience()
    add, remove = world.create_sync(audience), world.create_sync(audience, action="remove")
    people = world.create_people(1000)
    world.set_fault(fault, **({"code": 50000} if fault == "code" else {}))
    world.enter(add, people)
    world.beat_for(0.3)
    world.enter(remove, people[:300])
    world.beat_for(0.3)
    world.sandbox.faults.clear()
    world.drain()
    assert world.counts(remove) == {"entered": 300, "synced": 300}
    assert world.counts(add)["synced"] >= 700  # more, if some arrived before they were removed
    assert world.members(audience) == 700
    world.check_at_rest()
