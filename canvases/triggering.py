"""Who is named by a call of the API enters a canvas at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy

from audiencesync.groups.models import AppGroup
from audiencesync.people import finding, naming, told, tracking
from audiencesync.people.naming import Refused
from audiencesync.people.upserting import Change, upsert
from canvases import engine
from canvases.models import Canvas

LONGEST_CONTEXT = 50_000  # bytes


@dataclass(slots=True)
class Triggered:
    """How many entered, and what is wrong with whom. Who is not in the segment, or was here before, does not enter."""

    entered: int = 0
    errors: list[dict[str, object]] = field(default_factory=list)


def trigger(canvas: Canvas, recipients: Sequence[Any], *, now: datetime) -> Triggered:
    """Write what is told about the recipients, then let those enter who may."""
    done = Triggered()
    read: list[tuple[int, Change]] = []
    for index, item in enumerate(recipients):
        try:
            read.append((index, _change(canvas.app_group, item)))
        except Refused as error:
            done.errors.append(error.as_dict("recipients", index))
    with transaction.atomic():
        engine.hold(canvas.pk)  # before people, as whoever erases them
        found = upsert(canvas.app_group, [change for _index, change in read], now=now)
        people = {pk for pk in found.profile_ids if pk is not None}
        if people:
            done.entered = engine.admit_some(canvas.pk, people, now=now)
    for place, problem in found.problems.items():
        done.errors.append(Refused(*tracking.PROBLEMS[problem]).as_dict("recipients", read[place][0]))
    done.errors.sort(key=lambda error: str(error["index"]).zfill(3))
    return done


def _change(app_group: AppGroup, item: Any) -> Change:
    """One recipient. Raises Refused."""
    only_existing = naming.checked(item).get("send_to_existing_only")
    if only_existing is None:
        only_existing = True
    if not isinstance(only_existing, bool):
        raise Refused("NOT_A_TRUTH", gettext_lazy("It must be true, false or null."), "send_to_existing_only")
    attributes = item.get("attributes")
    if attributes is not None and not isinstance(attributes, dict):
        raise Refused("NOT_AN_OBJECT", gettext_lazy("It must be an object."), "attributes")
    for name in ("context", "canvas_entry_properties"):
        _check_context(name, item.get(name))
    fields, custom = told.attributes(attributes or {})
    return Change(**_name(app_group, item), fields=fields, attributes=custom, only_existing=only_existing)


def _check_context(name: str, context: object) -> None:
    """Raises Refused."""
    if context is not None and not isinstance(context, dict):
        raise Refused("NOT_AN_OBJECT", gettext_lazy("It must be an object."), name)
    if len(json.dumps(context)) > LONGEST_CONTEXT:
        raise Refused("TOO_LARGE", gettext_lazy("The object is too large."), name)


def _name(app_group: AppGroup, item: Mapping[str, Any]) -> naming.Name:
    """The person, whose external id is called otherwise here. Raises Refused."""
    name, order = naming.read(item, id_field="external_user_id"), naming.prioritization(item)
    key = finding.key(Change(**name), region=app_group.phone_region)
    if order and key and key[0] in ("email", "phone"):
        chosen = finding.find_preferred(app_group, key, order)
        return name if chosen is None else {"profile_id": chosen}
    return name
