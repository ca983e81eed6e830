"""Scenarios: enqueue, send, settle every kind of answer, retry and supersede deliveries."""

from dataclasses import replace

from django.utils import timezone

from partners import sync
from partners.models import Batch, Outcome, Sync
from partners.queue import flush, outcomes, settle, tally, transitions
from tests.system.crash.scene import End, Scenario
from tests.system.crash.world import World, sha256


def _two_syncs(world: World) -> None:
    world.create_sync("add")
    world.create_sync("remove", "remove")


def _before_enqueue(world: World) -> None:
    _two_syncs(world)
    world.create_people(1, 2, 3, 4)
    world.create_people(5, email_sha256=None)
    world.enter("remove", 1, 2)


ENQUEUE = Scenario(
    "enqueue",
    prepare=_before_enqueue,
    interrupted=lambda world: world.enter("add", 1, 2, 3, 4, 5),
    allowed_ends=(
        End(
            counts={
                "add": {"entered": 5, "synced": 4, "not_synced": 1},
                "remove": {"entered": 2, "cancelled": 2},
            },
            members={"winback": {1, 2, 3, 4}},
        ),
    ),
)


def _before_flush(world: World) -> None:
    world.create_sync("add")
    world.create_sync("add too", audience="other")
    world.create_people(1, 2, 3, 4)
    world.enter("add", 1, 2, 3)
    world.enter("add too", 3, 4)


BOTH_ARRIVED = End(
    counts={"add": {"entered": 3, "synced": 3}, "add too": {"entered": 2, "synced": 2}},
    members={"winback": {1, 2, 3}, "other": {3, 4}},
)
FLUSH = Scenario(
    "flush",
    prepare=_before_flush,
    interrupted=World.flush,
    allowed_ends=(BOTH_ARRIVED,),
    # One call by the dead worker, and one for each of two batches: after a death, each batch is
    # sent alone.
    max_calls=3,
)
THREADS = Scenario(
    "flush in threads",
    prepare=_before_flush,
    interrupted=World.flush,
    allowed_ends=(BOTH_ARRIVED,),
    in_threads=True,
)


def _before_answers(world: World) -> None:
    world.create_sync("add")
    world.create_people(1, 2, 3)
    world.enter("add", 1, 2, 3)


def _before_bisecting(world: World) -> None:
    """Enter a batch that has been refused so often that the next refusal bisects it."""
    _before_answers(world)
    Batch.objects.update(refusals=settle.TRIES_BEFORE_BISECT - 1)


def _answer(name: str, end: End, *faults: tuple[str, dict], **limits: int) -> Scenario:
    """Return the scenario of one kind of answer by the partner."""
    return Scenario(
        name,
        prepare=_before_answers,
        interrupted=World.flush,
        allowed_ends=(end,),
        faults=faults,
        **limits,
    )


ARRIVED = End(counts={"add": {"entered": 3, "synced": 3}}, members={"winback": {1, 2, 3}})
ONE_ERRORED = End(
    counts={"add": {"entered": 3, "synced": 2, "errored": 1}}, members={"winback": {1, 3}}
)
MAPPING = {"endpoint": "segment/mapping"}
BAD = {"hash": sha256(2).hex()}
POISON = replace(
    _answer("poison", ONE_ERRORED, ("poison", MAPPING | BAD)), prepare=_before_bisecting
)
PARTIAL = _answer("partial success", ONE_ERRORED, ("partial", MAPPING | BAD | {"named": True}))
THROTTLE = _answer("throttle", ARRIVED, ("throttle", MAPPING | {"count": 1}))
UNHEARD = _answer("applied but unheard", ARRIVED, ("apply_then_drop", MAPPING | {"count": 1}))
TOO_MANY = _answer("too many", ARRIVED, people_per_request=2)
TOKEN = _answer("token refused once", ARRIVED, ("code", MAPPING | {"count": 1, "code": 40105}))


def _before_retry(world: World) -> None:
    _two_syncs(world)
    world.create_people(1, 2, 3, 4)
    world.enter("add", 1, 2, 3, 4)
    now = timezone.now()
    with tally.atomic(now=now):
        batch = Batch.objects.get()
        delivery_ids = list(batch.deliveries.order_by("pk").values_list("pk", flat=True)[:1])
        outcomes.set_outcome(batch, delivery_ids, Outcome.ERRORED, reason="40002", now=now)
        transitions.finish([batch], Outcome.ERRORED, now=now, code="50000")
    world.enter("remove", 4)
    world.flush()


RETRY = Scenario(
    "retry errored",
    prepare=_before_retry,
    interrupted=lambda _world: sync.retry_errored(
        Sync.objects.get(label="add"), now=timezone.now()
    ),
    allowed_ends=(
        End(
            counts={
                "add": {"entered": 4, "synced": 3, "cancelled": 1},
                "remove": {"entered": 1, "synced": 1},
            },
            members={"winback": {1, 2, 3}},
        ),
    ),
)


def _before_overtaking(world: World) -> None:
    _two_syncs(world)
    world.create_people(1, 2, 3)
    world.enter("add", 1, 2, 3)


def _remove_and_flush(world: World) -> None:
    world.enter("remove", 1, 2)
    world.flush()


OVERTAKEN = Scenario(
    "removal overtakes an add",
    prepare=_before_overtaking,
    interrupted=World.flush,
    retry=_remove_and_flush,
    concurrent=_remove_and_flush,
    allowed_ends=(
        End(
            counts={"add": {"entered": 3, "synced": 3}, "remove": {"entered": 2, "synced": 2}},
            members={"winback": {3}},
        ),
        End(
            counts={
                "add": {"entered": 3, "synced": 1, "cancelled": 2},
                "remove": {"entered": 2, "synced": 2},
            },
            members={"winback": {3}},
        ),
    ),
)


def _remove_and_go_on(world: World) -> None:
    """Enter removals and flush briefly, as a worker whose beat began before the lease ended."""
    world.enter("remove", 1, 2)
    flush.Flush(seconds=0.3).run()


UNDER_WAY = replace(
    OVERTAKEN,
    name="removal while an add is under way",
    concurrent=_remove_and_go_on,
    concurrent_drains=False,
)
UNDER_WAY_AND_FAILING = replace(
    UNDER_WAY,
    name="removal while an add fails",
    faults=(("http_error", MAPPING | {"count": 1}),),
)


def _before_coming_back(world: World) -> None:
    _before_overtaking(world)
    world.create_sync("again")
    world.flush()
    world.enter("remove", 1, 2)


def _again_and_flush(world: World) -> None:
    world.enter("again", 1)
    world.flush()


COMES_BACK = Scenario(
    "add overtakes a removal",
    prepare=_before_coming_back,
    interrupted=World.flush,
    retry=_again_and_flush,
    concurrent=_again_and_flush,
    allowed_ends=tuple(
        End(
            counts={
                "add": {"entered": 3, "synced": 3},
                "remove": removed,
                "again": {"entered": 1, "synced": 1},
            },
            members={"winback": {1, 3}},
        )
        for removed in ({"entered": 2, "synced": 2}, {"entered": 2, "synced": 1, "cancelled": 1})
    ),
)

QUEUE = (ENQUEUE, FLUSH, THREADS, RETRY, OVERTAKEN, COMES_BACK)
ANSWERS = (POISON, PARTIAL, THROTTLE)
MORE_ANSWERS = (UNHEARD, TOO_MANY, TOKEN)
