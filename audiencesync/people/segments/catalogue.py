"""List the custom attributes of a group with their types: the material of conditions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Profile
from audiencesync.people.parsers.days import day
from audiencesync.people.segments import attribute_sql
from audiencesync.people.segments.nodes import CUSTOM
from audiencesync.people.segments.reader import ops_of

SECONDS = 2.0
KEPT_SECONDS = 300
MOST = 5000
NEWEST = 200  # profiles that are searched for example values
LONGEST_EXAMPLE = 40
DAY = len("2026-11-23")
TYPES = {
    **{
        "text": "text",
        "integer": "number",
        "real": "number",
        "true": "boolean",
        "false": "boolean",
    },
    **{
        "string": "text",
        "number": "number",
        "boolean": "boolean",
        "array": "list",
        "object": "object",
    },
}
_SQL = {
    "sqlite": (
        "SELECT DISTINCT k.key, k.type FROM people_profile p, json_each(p.attributes) k"
        " WHERE p.app_group_id = %s AND p.merged_into_id IS NULL AND p.erased_at IS NULL"
        " AND json_type(p.attributes) = 'object' LIMIT %s"
    ),
    "postgresql": (
        "SELECT DISTINCT k.key, jsonb_typeof(k.value) FROM people_profile p, jsonb_each("
        " CASE WHEN jsonb_typeof(p.attributes) = 'object' THEN p.attributes ELSE '{}'::jsonb END) k"
        " WHERE p.app_group_id = %s AND p.merged_into_id IS NULL AND p.erased_at IS NULL LIMIT %s"
    ),
}
Types = dict[str, set[str]]
MOST_NAMES = 1000
TYPE_WORDS = {
    "text": gettext_lazy("text"),
    "date": gettext_lazy("date"),
    "number": gettext_lazy("number"),
    "boolean": gettext_lazy("yes or no"),
    "list": gettext_lazy("list"),
    "object": gettext_lazy("object"),
}


def types(app_group: AppGroup, *, is_fresh: bool = False) -> Types | None:
    """Return name -> types of all attributes; None if reading the profiles exceeds two seconds.

    Cached for five minutes; ``is_fresh`` reads again, for a name that may have been added since.
    """
    key = f"attribute-types-{app_group.pk}"
    kept: dict[str, list[str]] | None = None if is_fresh else cache.get(key)
    if kept is None:
        try:
            with at_most(SECONDS):
                found = _read(app_group)
        except TooSlow:
            return None
        kept = {name: sorted(known) for name, known in found.items()}
        cache.set(key, kept, KEPT_SECONDS)
    return {name: set(known) for name, known in kept.items()}


def examples(app_group: AppGroup) -> dict[str, str]:
    """Return name -> a value of one of the newest profiles. Not cached: it is personal data."""
    found: dict[str, str] = {}
    for known in _newest(app_group):
        for name, value in known.items() if isinstance(known, dict) else ():
            if value not in (None, "") and name not in found:
                found[name] = str(value)[:LONGEST_EXAMPLE]
    return found


def _newest(app_group: AppGroup) -> Iterable[Any]:
    """Return the attributes of the newest profiles."""
    rows = Profile.objects.filter(app_group=app_group).order_by("-pk")
    return rows.values_list("attributes", flat=True)[:NEWEST]


def shown_types(app_group: AppGroup) -> Types | None:
    """Return types() with "date" instead of "text" where newest profiles hold only days in it."""
    found = types(app_group)
    if found is None or not any(kinds == {"text"} for kinds in found.values()):
        return found
    held: dict[str, bool] = {}
    for known in _newest(app_group):
        for name, value in known.items() if isinstance(known, dict) else ():
            if value not in (None, ""):
                is_day = isinstance(value, str) and day(value[:DAY]) == value[:DAY]
                held[name] = held.get(name, True) and is_day
    return {
        name: {"date"} if kinds == {"text"} and held.get(name) else kinds
        for name, kinds in found.items()
    }


def suggestions(app_group: AppGroup) -> list[tuple[str, str]]:
    """Return the attributes of a group with their types and an example: (name, words)."""
    shown = examples(app_group)
    known = types(app_group) or {name: set() for name in shown}
    names = sorted(name for name in known if ops_of(CUSTOM + name))[:MOST_NAMES]
    return [(name, _words(known[name], shown.get(name, ""))) for name in names]


def _words(types: set[str], example: str) -> str:
    words = ", ".join(str(TYPE_WORDS[one]) for one in sorted(types)) or _("custom attribute")
    if not example:
        return words
    return _("%(type)s, for example %(value)s") % {"type": words, "value": example}


def holds_days(app_group: AppGroup, name: str) -> bool:
    """Return whether a profile has a day in this attribute. True also after two seconds."""
    people = Profile.objects.filter(app_group=app_group)
    try:
        with at_most(SECONDS):
            return people.filter(attribute_sql.holds_day(name)).exists()
    except TooSlow:
        return True


def _read(app_group: AppGroup) -> Types:
    with connection.cursor() as cursor:
        cursor.execute(_SQL[connection.vendor], [app_group.pk, MOST])
        rows = cursor.fetchall()
    found: Types = {}
    for name, kind in rows:
        found.setdefault(str(name), set()).update({TYPES[kind]} if kind in TYPES else ())
    return found
