"""Check the end of a scenario: the laws, the exact counts and the audiences at the sandbox.

L3 and L5 are numbers of laws in docs/reliability.md.
"""

from collections.abc import Iterator

from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from canvases import laws
from partners.models import Audience, Batch, Connection, Delivery, Sync, Tally
from tests.system.crash.scene import End, Scenario
from tests.system.crash.world import AUDIENCES, Remote, World, sha256
from tiktok_sandbox.sandbox import Sandbox

NEVER_DECREASE = ("entered", "synced", "not_synced", "cancelled")


def tallies() -> dict[str, dict[str, int]]:
    """Return Sync label -> counts other than zero."""
    rows = {row.sync_id: row.as_dict() for row in Tally.objects.all()}
    labels = {
        # A Sync that removes people who left a step has the same label as the Sync of the step.
        pk: f"{label}, left" if undoes else label
        for pk, label, undoes in Sync.objects.values_list("pk", "label", "undoes")
    }
    return {labels[pk]: {name: n for name, n in counts.items() if n} for pk, counts in rows.items()}


def end_state(world: World, scenario: Scenario) -> dict:
    """Return the state of our database at the end of a scenario; call it in a child."""
    connection = world.connection
    return {
        "laws": [
            *laws.broken(now=timezone.now()),
            *(scenario.check(world) if scenario.check else ()),
        ],
        "counts": tallies(),
        "certain": _expected_members(("synced",)),
        "possible": _expected_members(("synced", *scenario.possible_states)),
        "leases": Batch.objects.exclude(lease="").count(),
        "token": connection.token if connection.is_connected else "",
        "connections": Connection.objects.count(),
        "audiences": sorted(Audience.objects.values_list("name", "remote_id")),
    }


def _expected_members(states: tuple[str, ...]) -> dict[str, list[str]]:
    """Return audience id -> hashes that are members if the deliveries in these states arrived."""
    rows = Delivery.objects.annotate(state=Coalesce("outcome", "batch__state")).filter(
        state__in=states
    )
    if states == ("synced",):
        # A batch that was discarded during its request is compensated: its people are not members.
        rows = rows.exclude(batch__cancel_requested=True)
    rows = rows.exclude(profile__email_sha256=None)  # erased
    rows = rows.order_by("batch__seq", "pk").values_list(
        F("sync__audience__remote_id"), F("sync__action"), F("profile__email_sha256")
    )
    hashes_of: dict[str, set[str]] = {}
    for audience, action, digest in rows:
        hashes = hashes_of.setdefault(audience, set())
        (hashes.add if action == "add" else hashes.discard)(bytes(digest).hex())
    return {audience: sorted(hashes) for audience, hashes in hashes_of.items()}


def find_violations(
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
    yield from _decreased_counts(before["counts"], after["counts"])
    if after["leases"]:
        yield f"{after['leases']} batches are leased although no process works"
    at_partner = {name: _hashes(sandbox, remote.audiences[name]) for name in AUDIENCES}
    for name in AUDIENCES:
        key = remote.audiences[name]
        if (
            not set(after["certain"].get(key, ()))
            <= at_partner[name]
            <= set(after["possible"].get(key, ()))
        ):
            yield (
                f"L5 {name}: {len(at_partner[name])} are there, "
                f"our rows say {len(after['certain'].get(key, ()))}"
            )
    if not any(_is_allowed(end, after["counts"], at_partner) for end in scenario.allowed_ends):
        numbers = {name: _numbers(hashes) for name, hashes in at_partner.items() if hashes}
        yield f"the end is none of the allowed ones: {after['counts']}, members: {numbers}"
    lines = sandbox.log.all()
    n_calls = sum(line.endpoint == "segment/mapping" and line.code == 0 for line in lines)
    if scenario.max_calls is not None and n_calls > scenario.max_calls:
        yield f"the partner was called {n_calls} times"
    yield from _audiences(scenario, sandbox, after)
    yield from _connection(scenario, remote, sandbox, after)
    n_valid = sandbox.store.all("SELECT COUNT(*) FROM token WHERE revoked_at IS NULL")[0][0]
    is_token_lost = bool(scenario.token_lost_at) and died_at.startswith(scenario.token_lost_at)
    if scenario.n_valid_tokens is not None and n_valid != scenario.n_valid_tokens + is_token_lost:
        yield f"{n_valid} tokens are valid at the partner"


def _decreased_counts(before: dict, after: dict) -> Iterator[str]:
    for label, counts in before.items():
        for name in NEVER_DECREASE:
            if after.get(label, {}).get(name, 0) < counts.get(name, 0):
                yield (
                    f"L3 {label}: {name} fell from {counts.get(name, 0)} "
                    f"to {after.get(label, {}).get(name, 0)}"
                )


def _hashes(sandbox: Sandbox, audience_id: str) -> set[str]:
    return {digest for _schema, digest in sandbox.audiences.member_ids(audience_id)}


def _numbers(hashes: set[str]) -> list[int]:
    number_of = {sha256(number).hex(): number for number in range(20)}
    return sorted(number_of[digest] for digest in hashes)


def _is_allowed(end: End, counts: dict, at_partner: dict[str, set[str]]) -> bool:
    members = {name: set(_numbers(hashes)) for name, hashes in at_partner.items() if hashes}
    expected = {name: numbers for name, numbers in end.members.items() if numbers}
    return counts == end.counts and members == expected


def _audiences(scenario: Scenario, sandbox: Sandbox, after: dict) -> Iterator[str]:
    for name, n in scenario.audiences.items():
        remote = sorted(
            audience.id for audience in sandbox.audiences.everything() if audience.name == name
        )
        local = sorted(remote_id for label, remote_id in after["audiences"] if label == name)
        if len(remote) != n or remote != local:
            yield f"audience {name}: {len(remote)} at the partner, rows here: {local}"


def _connection(scenario: Scenario, remote: Remote, sandbox: Sandbox, after: dict) -> Iterator[str]:
    if after["connections"] != 1:
        yield f"{after['connections']} connections of one group"
    if after["token"] and sandbox.accounts.token(after["token"]) is None:
        yield "connected with a token that is void at the partner"
    for number in scenario.void_tokens:
        if sandbox.accounts.token(remote.tokens[number]) is not None:
            yield f"token {number} was given up here and is valid at the partner"
    is_connected = bool(after["token"])
    if scenario.is_connected_at_end is not None and is_connected != scenario.is_connected_at_end:
        yield f"connected: {is_connected}"
