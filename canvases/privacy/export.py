"""Everything about one profile, from every table, as plain JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, Max, Min, OuterRef, Sum

from audiencesync.groups.models import Activity, AppGroup
from audiencesync.people.api.track_objects import STANDARD
from audiencesync.people.models import (
    KINDS,
    Erasure,
    Event,
    PastIdentifier,
    Profile,
    UserAlias,
    Withdrawal,
)
from audiencesync.people.models.imports import Import, ImportMember
from audiencesync.people.models.live import SegmentMember
from audiencesync.people.writing.columns import HASHES
from audiencesync.people.writing.identify import family
from canvases.models import VARIANT, Step, Visit, name_of
from canvases.reasons import reason_text
from partners import registry
from partners.base import Partner
from partners.models import Delivery

# The fields of /users/export/ids: ours, and those that only Braze has, which are null here.
_FIELD_NAMES = (
    "external_id braze_id user_aliases created_at email phone country language ads_consent"
    " devices first_name last_name dob gender home_city time_zone email_subscribe"
    " custom_attributes custom_events purchases canvases_received deliveries"
    " apps attributed_ad attributed_adgroup attributed_campaign attributed_source bio"
    " campaigns_received cards_clicked date_of_first_session date_of_last_session"
    " email_opted_in_at email_unsubscribed_at facebook id last_coordinates push_opted_in_at"
    " push_subscribe push_tokens push_unsubscribed_at random_bucket subscription_groups"
    " total_revenue twitter uninstalled_at"
)
FIELDS = frozenset(_FIELD_NAMES.split())


def everything(profile: Profile) -> dict[str, object]:
    """Return all data of a person (Article 15 GDPR), including merged anonymous profiles."""
    profile_ids = sorted(family([profile.pk]))
    return {
        "profile": _profile(profile),
        "aliases": list(
            UserAlias.objects.filter(profile__in=profile_ids).values("label", "name").order_by("pk")
        ),
        "past_identifiers": [
            {"kind": kind, "sha256": bytes(sha256).hex(), "replaced_at": at.isoformat()}
            for kind, sha256, at in PastIdentifier.objects.filter(profile__in=profile_ids)
            .order_by("pk")
            .values_list("kind", "sha256", "replaced_at")
        ],
        "events": [
            _event(event)
            for event in Event.objects.filter(profile__in=profile_ids).order_by("at", "pk")
        ],
        "imports": [
            {
                "file": run.file_name,
                "uploaded_at": run.created_at.isoformat(),
                "created_profile": run.has_created or (None if run.is_unknown else False),
            }
            for run in _imports(profile_ids)
        ],
        "segments": _segments(profile_ids),
        "visits": [visit(one) for one in visits(profile_ids)],
        "deliveries": [delivery(one) for one in deliveries(profile_ids)],
        "withdrawals": [
            one.at.isoformat()
            for one in Withdrawal.objects.filter(profile__in=profile_ids).order_by("pk")
        ],
        "erasures": [
            {"key": one.key, "requested_at": one.requested_at.isoformat()}
            for one in Erasure.objects.filter(profile__in=profile_ids).order_by("pk")
        ],
        "activity": _activity(profile.app_group, profile_ids),
        "known_before_as": [
            _profile(one)
            for one in Profile.everybody.filter(pk__in=profile_ids).exclude(pk=profile.pk)
        ],
    }


def _imports(profile_ids: Sequence[int]) -> Iterable[Any]:
    """Return the imports of a person.

    ``has_created``: whether the import created a profile of the person; ``is_unknown``: whether it
    may have done so.
    """
    members = ImportMember.objects.filter(run=OuterRef("pk"), profile__in=profile_ids)
    runs = Import.objects.filter(members__profile__in=profile_ids).distinct()
    return runs.annotate(
        has_created=Exists(members.filter(is_created=True)),
        is_unknown=Exists(members.filter(is_created=None)),
    ).order_by("pk")


def _segments(profile_ids: Iterable[int]) -> list[dict[str, object]]:
    """Return the live segments that a person is in, and since when."""
    members = SegmentMember.objects.filter(profile__in=profile_ids)
    return [
        {"name": member.subscription.segment.name, "since": member.since.isoformat()}
        for member in members.select_related("subscription__segment").order_by("subscription_id")
        if member.subscription.segment is not None
    ]


def _activity(app_group: AppGroup, profile_ids: Iterable[int]) -> list[dict[str, object]]:
    """Return when members looked at the profile or exported it, without their names."""
    subjects = [Profile(pk=pk).braze_id for pk in profile_ids]
    lines = Activity.objects.filter(app_group=app_group, subject__in=subjects).order_by("at", "pk")
    return [{"what": line.verb, "at": line.at.isoformat()} for line in lines]


def _profile(profile: Profile) -> dict[str, object]:
    data: dict[str, object] = {"braze_id": profile.braze_id, "external_id": profile.external_id}
    data |= {kind: getattr(profile, kind) or None for kind in KINDS}
    data |= {
        name: bytes(value).hex() if (value := getattr(profile, name)) else None for name in HASHES
    }
    data |= {
        "unusable": [kind for bit, kind in enumerate(KINDS) if profile.invalid_kinds >> bit & 1]
    }
    plain = (
        "country",
        "language",
        "attributes",
        "ad_tracking_enabled",
        "ads_consent",
        "rule_version",
    )
    data |= {name: getattr(profile, name) for name in plain}
    times = {
        name: iso(getattr(profile, name)) for name in ("created_at", "updated_at", "erased_at")
    }
    return (
        data
        | times
        | {"merged_into": f"{profile.merged_into_id:024x}" if profile.merged_into_id else None}
    )


def _event(event: Event) -> dict[str, object]:
    data: dict[str, object] = {"kind": event.kind, "name": event.name, "at": event.at.isoformat()}
    if event.kind == Event.Kind.PURCHASE:
        data |= {
            "price": event.price and str(event.price),
            "currency": event.currency,
            "quantity": event.quantity,
        }
    return data | {"properties": event.properties}


def visits(profile_ids: Iterable[int]) -> Iterable[Visit]:
    """Return the visits of profiles, the newest first."""
    return (
        Visit.objects.filter(profile__in=list(profile_ids))
        .select_related("canvas", "step")
        .order_by("-pk")
    )


def visit(visit_row: Visit) -> dict[str, object]:
    """Return a visit as JSON."""
    return {
        "canvas_id": str(visit_row.canvas.api_id),
        "canvas": visit_row.canvas.name,
        "entered_at": visit_row.entered_at.isoformat(),
        "left_at": iso(visit_row.left_at),
        "at_step": visit_row.step.kind if visit_row.step else None,
        "due_at": iso(visit_row.due_at),
        "arrived_at": iso(visit_row.arrived_at),
        "branch": visit_row.branch,
    }


def deliveries(profile_ids: Iterable[int]) -> Iterable[Delivery]:
    """Return the deliveries of profiles, the newest first."""
    of_profiles = Delivery.objects.filter(profile__in=list(profile_ids))
    return of_profiles.select_related("sync__audience__ad_account__connection", "batch").order_by(
        "-pk"
    )


def delivery(one: Delivery) -> dict[str, object]:
    """Return a delivery as JSON: its audience, state and times."""
    batch, audience = one.batch, one.sync.audience
    return {
        "audience": audience.name,
        "audience_id": audience.remote_id or None,
        "ad_account": audience.ad_account.name,
        "action": one.sync.action,
        "fields": one.sync.kinds,
        "state": str(one.status),
        "reason": one.why or None,
        "queued_at": iso(batch.created_at) if batch else None,
        "settled_at": iso(batch.settled_at) if batch else None,
    }


def why(one: Delivery) -> str:
    """Return the reason of a delivery in words; empty if it has none."""
    return reason_text(one.why, _partner_of(one)) if one.why else ""


def _partner_of(one: Delivery) -> Partner:
    return registry.get(one.sync.audience.ad_account.connection.partner)


def iso(at: datetime | None) -> str | None:
    """Return a timestamp as text."""
    return at.isoformat() if at else None


def as_braze(profile: Profile) -> dict[str, Any]:
    """Return a profile in the shape of /users/export/ids, with consent and deliveries added."""
    profile_ids = sorted(family([profile.pk]))
    events = Event.objects.filter(profile__in=profile_ids).order_by()
    device = {
        "idfa": profile.idfa or None,
        "google_ad_id": profile.gaid or None,
        "ad_tracking_enabled": profile.ad_tracking_enabled,
    }
    attributes = profile.attributes
    aliases = (
        UserAlias.objects.filter(profile__in=profile_ids)
        .order_by("pk")
        .values_list("name", "label")
    )
    steps = _steps(profile_ids)
    return {
        "external_id": profile.external_id,
        "braze_id": profile.braze_id,
        "user_aliases": [{"alias_name": name, "alias_label": label} for name, label in aliases],
        "created_at": profile.created_at.isoformat(),
        "email": profile.email or None,
        "phone": profile.phone or None,
        "country": profile.country or None,
        "language": profile.language or None,
        "ads_consent": profile.ads_consent,
        "devices": [device] if any(value is not None for value in device.values()) else [],
        **{name: attributes.get(name) for name in STANDARD},
        "custom_attributes": {
            name: value for name, value in attributes.items() if name not in STANDARD
        },
        "custom_events": _count_by_name(events.filter(kind=Event.Kind.EVENT)),
        "purchases": _count_by_name(events.filter(kind=Event.Kind.PURCHASE)),
        "canvases_received": [
            _visit_as_braze(one, steps[one.canvas_id]) for one in visits(profile_ids)
        ],
        "deliveries": [delivery(one) for one in deliveries(profile_ids)],
    }


def _steps(profile_ids: list[int]) -> dict[int, list[dict[str, object]]]:
    """Return, by canvas, the steps that sent these profiles, with the time of the last batch."""
    steps = Step.objects.filter(syncs__deliveries__profile__in=profile_ids).select_related(
        "sync__audience"
    )
    by_canvas: dict[int, list[dict[str, object]]] = defaultdict(list)
    for step in steps.annotate(last=Max("syncs__deliveries__batch__settled_at")).order_by("pk"):
        by_canvas[step.canvas_id].append(
            {
                "name": name_of(step),
                "api_canvas_step_id": str(step.api_id),
                "last_received": iso(step.last),
            }
        )
    return by_canvas


def _visit_as_braze(one: Visit, steps: list[dict[str, object]]) -> dict[str, object]:
    """Return a visit in the shape of Braze."""
    return {
        "name": one.canvas.name,
        "api_canvas_id": str(one.canvas.api_id),
        "variation_name": VARIANT,
        "last_entered": one.entered_at.isoformat(),
        "last_exited": iso(one.left_at),
        "steps_received": steps,
    }


def _count_by_name(events: Any) -> list[dict[str, object]]:
    """Return name, first and last time, and count of each event; a purchase counts its pieces."""
    rows = events.values_list("name").annotate(
        first=Min("at"), last=Max("at"), n=Count("pk"), pieces=Sum("quantity")
    )
    return [
        {"name": name, "first": iso(first), "last": iso(last), "count": max(n, pieces)}
        for name, first, last, n, pieces in rows.order_by("name")
    ]
