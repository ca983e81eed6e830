"""REST: audiences at partners, and the deliveries of one person."""

from __future__ import annotations

from typing import Any

from django.db.models import Sum
from django.http import HttpResponse
from ninja import Field, Query, Router, Schema

from audiencesync.people.api import person_reference
from audiencesync.people.api.person_reference import ObjectError
from audiencesync.people.writing import lookup
from audiencesync.people.writing.identify import family
from audiencesync.rest import door
from audiencesync.rest.pagination import PAGE_SIZE, Listing, numeric_id
from partners.models import Audience, Delivery, Tally
from partners.models.tallies import COLUMNS, counts_from

router = Router(tags=["audiences"])


class Audiences(door.Success):
    """At most 100 audiences a page."""

    audiences: list[dict[str, object]]


@router.get(
    "/audiences",
    auth=door.require("audiences.read"),
    response={200: Audiences} | door.ERRORS,
    summary="List audiences and how many people were sent there",
)
def list_audiences(request: door.ApiRequest, query: Query[Listing]) -> HttpResponse:
    """Return the audiences.

    ``users``: counts of all deliveries to the audience; ``size``: the size that the partner
    reports, null until it reports one.
    """
    audiences = Audience.objects.filter(ad_account__connection__app_group=request.app_group)
    page_rows = list(query.of(audiences.select_related("ad_account__connection")))
    tallies = Tally.objects.filter(sync__audience__in=page_rows).order_by().values("sync__audience")
    counts: dict[int, Any] = {
        row["sync__audience"]: row
        for row in tallies.annotate(**{name: Sum(name) for name in COLUMNS})
    }
    return door.success(audiences=[_audience(row, counts.get(row.pk, {})) for row in page_rows])


def _audience(row: Audience, counts: dict[str, Any]) -> dict[str, object]:
    account = row.ad_account
    return {
        "id": str(row.api_id),
        "partner": account.connection.partner,
        "remote_id": row.remote_id or None,
        "name": row.name,
        "type": row.kind,
        "size": row.size,
        "is_appendable": row.is_appendable,
        "gone_at": row.gone_at and row.gone_at.isoformat(),
        "ad_account": {
            "id": account.remote_id,
            "name": account.name,
            "connected": account.is_chosen,
        },
        "users": counts_from(counts),
    }


class PersonQuery(Schema):
    """The person asked for, not by e-mail or phone, because the URLs of calls are logged."""

    external_id: str | None = None
    braze_id: door.BrazeId | None = None
    alias_label: str | None = None
    alias_name: str | None = None
    before: str | None = Field(None, description="The id of the last delivery of the page before")


class Deliveries(door.Success):
    """At most 100 deliveries, the newest first."""

    deliveries: list[dict[str, object]]


@router.get(
    "/deliveries",
    auth=door.require("deliveries.read"),
    response={200: Deliveries} | door.ERRORS,
    summary="What was sent of one person, and why not",
)
def list_deliveries(request: door.ApiRequest, query: Query[PersonQuery]) -> HttpResponse:
    """Return the deliveries of a person, by external_id, braze_id, or alias_label and alias_name.

    ``reason``: why the person was not sent, or the partner's code. ``failed_attempts``: requests
    with an unclear result before the one with a clear result.
    """
    rows = Delivery.objects.filter(profile__in=list(family([_profile(request, query)])))
    rows = rows.select_related("sync__audience__ad_account", "batch")
    if query.before is not None:
        rows = rows.filter(pk__lt=numeric_id(query.before, "before"))
    return door.success(deliveries=[_delivery(row) for row in rows.order_by("-pk")[:PAGE_SIZE]])


def _profile(request: door.ApiRequest, query: PersonQuery) -> int:
    """Return the id of the profile. Raise ApiError."""
    if "email" in request.GET or "phone" in request.GET:
        raise door.ApiError(400, "Name the person by an id or an alias: addresses are logged.")
    item: dict[str, object] = {"external_id": query.external_id, "braze_id": query.braze_id}
    if query.alias_label is not None or query.alias_name is not None:
        item["user_alias"] = {"alias_label": query.alias_label, "alias_name": query.alias_name}
    try:
        key = person_reference.key(item, region=request.app_group.phone_region)
    except ObjectError as error:
        raise door.ApiError(400, str(error.message)) from None
    profile_ids = lookup.find(request.app_group, [key]) if key else {}
    if not profile_ids:
        raise door.ApiError(400, "There is no such person.")
    return next(iter(profile_ids.values()))


def _delivery(row: Delivery) -> dict[str, object]:
    batch, audience = row.batch, row.sync.audience
    return {
        "id": str(row.pk),
        "state": row.status,
        "reason": row.why or None,
        "action": row.sync.action,
        "fields": row.sync.kinds,
        "asked_by": {"name": row.sync.label, "path": row.sync.url},
        "audience": {
            "id": str(audience.api_id),
            "remote_id": audience.remote_id or None,
            "name": audience.name,
        },
        "ad_account": {"id": audience.ad_account.remote_id, "name": audience.ad_account.name},
        "queued_at": batch and batch.created_at.isoformat(),
        "settled_at": batch and batch.settled_at and batch.settled_at.isoformat(),
        "failed_attempts": batch.attempts if batch else 0,
        "request_id": (batch.last_request_id or None) if batch else None,
    }
