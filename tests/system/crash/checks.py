"""Check the end of a scenario: the laws, the exact counts and the audiences at the sandbox."""

from collections.abc import Iterator

from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from canvases import laws
from partners.models import Audience, Batch, Connection, Delivery, Sync, Tally
from tests.system.crash.scene import End, Scenario
from tests.system.crash.world import AUDIENCES, Remote, World, sha256
from tiktok_sandbox.sandbox import Sandbox

NEVER_FALL = ("entered", "synced", "not_synced", "cancelled")


def tallies() -> dict[str, dict[str, int]]:
    """Return Sync label -> counts other than zero."""
    rows = {row.sync_id: row.as_dict() for row in Tally.objects.all()}
    labels = {
        pk: f"{label}, left" if undoes else label
        for pk, label, undoes in Sync.objects.values_list("pk", "label", "undoes")
    }
    return {labels[pk]: {name: n for name, n in counts.items() if n} for pk, counts in rows.items()}


def report(world: World, scenario: Scenario) -> dict:
    """Return the state of our database at the end of a scenario; call it in a child."""
    connection = world.connection
    return {
        "laws": [
            *laws.broken(now=timezone.now()),
            *(scenario.look(world) if scenario.look else ()),
        ],
        "counts": tallies(),
        "believed": _fold(("synced",)),
        "possible": _fold(("synced", *scenario.may_be_there)),
        "leases": Batch.objects.exclude(lease="").count(),
        "token": connection.token if connection.is_connected else "",
        "connections": Connection.objects.count(),
        "audiences": sorted(Audience.objects.values_list("name", "remote_id")),
    }


def _fold(states: tuple[str, ...]) -> dict[str, list[str]]:
    """Return audience id -> hashes in it after the deliveries in these states, by queue order."""
    rows = Delivery.objects.annotate(state=Coalesce("outcome", "batch__state")).filter(
        state__in=states
    )
    if states == ("synced",):
        # A batch discarded while under way is compensated.
        rows = rows.exclude(batch__cancel_requested=True)
    rows = rows.exclude(profile__email_sha256=None)  # erased
    rows = rows.order_by("batch__seq", "pk").values_list(
        F("sync__audience__remote_id"), F("sync__action"), F("profile__email_sha256")
    )
    found: dict[str, set[str]] = {}
    for audience, action, digest in rows:
        members = found.setdefault(audience, set())
        (members.add if action == "add" else members.discard)(bytes(digest).hex())
    return {audience: sorted(members) for audience, members in found.items()}


def judge(
    scenario: Scenario,
    remote: Remote,
    sandbox: Sandbox,
    before: dict,
    after: dict,
    *,
    died_at: str = "",
) -> Iterator[str]:
    """Yield one sentence per violation; call it in the test process."""
    yield from after["laws"]
    yield from _fallen(before["counts"], after["counts"])
    if after["leases"]:
        yield f"{after['leases']} batches are leased although nobody works"
    there = {name: _hashes(sandbox, remote.audiences[name]) for name in AUDIENCES}
    for name in AUDIENCES:
        key = remote.audiences[name]
        if (
            not set(after["believed"].get(key, ()))
            <= there[name]
            <= set(after["possible"].get(key, ()))
        ):
            yield (
                f"L5 {name}: {len(there[name])} are there, "
                f"we believe {len(after['believed'].get(key, ()))}"
            )
    if not any(_fits(end, after["counts"], there) for end in scenario.ends):
        who = {name: _numbers(hashes) for name, hashes in there.items() if hashes}
        yield f"the end is none of the right ones: {after['counts']}, there: {who}"
    calls = sum(line.endpoint == "segment/mapping" and line.code == 0 for line in sandbox.log.all())
    if scenario.most_calls is not None and calls > scenario.most_calls:
        yield f"the partner was called {calls} times"
    yield from _audiences(scenario, sandbox, after)
    yield from _connection(scenario, remote, sandbox, after)
    alive = sandbox.store.all("SELECT COUNT(*) FROM token WHERE revoked_at IS NULL")[0][0]
    unheard = bool(scenario.unheard) and died_at.startswith(scenario.unheard)
    if scenario.ends_alive is not None and alive != scenario.ends_alive + unheard:
        yield f"{alive} tokens are alive at the partner"


def _fallen(before: dict, after: dict) -> Iterator[str]:
    for label, counts in before.items():
        for name in NEVER_FALL:
            if after.get(label, {}).get(name, 0) < counts.get(name, 0):
                yield (
                    f"L3 {label}: {name} fell from {counts.get(name, 0)} "
                    f"to {after.get(label, {}).get(name, 0)}"
                )


def _hashes(sandbox: Sandbox, audience_id: str) -> set[str]:
    return {digest for _schema, digest in sandbox.audiences.listed(audience_id)}


def _numbers(hashes: set[str]) -> list[int]:
    known = {sha256(number).hex(): number for number in range(20)}
    return sorted(known[digest] for digest in hashes)


def _fits(end: End, counts: dict, there: dict[str, set[str]]) -> bool:
    people = {name: set(_numbers(hashes)) for name, hashes in there.items() if hashes}
    return counts == end.counts and people == {
        name: who for name, who in end.members.items() if who
    }


def _audiences(scenario: Scenario, sandbox: Sandbox, after: dict) -> Iterator[str]:
    for name, n in scenario.audiences.items():
        remote = sorted(one.id for one in sandbox.audiences.everything() if one.name == name)
        local = sorted(remote_id for known, remote_id in after["audiences"] if known == name)
        if len(remote) != n or remote != local:
            yield f"audience {name}: {len(remote)} at the partner, rows here: {local}"


def _connection(scenario: Scenario, remote: Remote, sandbox: Sandbox, after: dict) -> Iterator[str]:
    if after["connections"] != 1:
        yield f"{after['connections']} connections of one group"
    if after["token"] and sandbox.accounts.token(after["token"]) is None:
        yield "connected with a token that is void at the partner"
    for number in scenario.ends_void:
        if sandbox.accounts.token(remote.tokens[number]) is not None:
            yield f"token {number} was given up here and is alive at the partner"
    if scenario.ends_connected is not None and bool(after["token"]) != scenario.ends_connected:
        yield f"connected: {bool(after['token'])}"
