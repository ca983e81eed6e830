"""List the custom attributes of a group with their types, for the builder of segments."""

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

TIME_LIMIT_SECONDS = 2.0
CACHE_SECONDS = 300
MOST_ROWS = 5000  # pairs of name and type
N_NEWEST = 200  # profiles that are searched for example values
LONGEST_EXAMPLE = 40
DAY_LENGTH = len("2026-11-23")
# Type in SQLite's json_each (first) or PostgreSQL's jsonb_typeof -> type of an attribute.
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
    cached: dict[str, list[str]] | None = None if is_fresh else cache.get(key)
    if cached is None:
        try:
            with at_most(TIME_LIMIT_SECONDS):
                types_by_name = _read_types(app_group)
        except TooSlow:
            return None
        cached = {name: sorted(kinds) for name, kinds in types_by_name.items()}
        cache.set(key, cached, CACHE_SECONDS)
    return {name: set(kinds) for name, kinds in cached.items()}


def examples(app_group: AppGroup) -> dict[str, str]:
    """Return name -> a value of one of the newest profiles.

    The values are not cached, because they are personal data.
    """
    examples: dict[str, str] = {}
    for attributes in _newest_attributes(app_group):
        for name, value in attributes.items() if isinstance(attributes, dict) else ():
            if value not in (None, "") and name not in examples:
                examples[name] = str(value)[:LONGEST_EXAMPLE]
    return examples


def _newest_attributes(app_group: AppGroup) -> Iterable[Any]:
    """Return the attributes of the newest profiles."""
    rows = Profile.objects.filter(app_group=app_group).order_by("-pk")
    return rows.values_list("attributes", flat=True)[:N_NEWEST]


def shown_types(app_group: AppGroup) -> Types | None:
    """Return types() with "date" instead of "text" where the newest profiles hold only days."""
    types_by_name = types(app_group)
    if types_by_name is None or not any(kinds == {"text"} for kinds in types_by_name.values()):
        return types_by_name
    holds_only_days: dict[str, bool] = {}
    for attributes in _newest_attributes(app_group):
        for name, value in attributes.items() if isinstance(attributes, dict) else ():
            if value not in (None, ""):
                is_day = isinstance(value, str) and day(value[:DAY_LENGTH]) == value[:DAY_LENGTH]
                holds_only_days[name] = holds_only_days.get(name, True) and is_day
    return {
        name: {"date"} if kinds == {"text"} and holds_only_days.get(name) else kinds
        for name, kinds in types_by_name.items()
    }


def suggestions(app_group: AppGroup) -> list[tuple[str, str]]:
    """Return the attributes of a group with their types and an example: (name, words)."""
    examples_by_name = examples(app_group)
    types_by_name = types(app_group) or {name: set() for name in examples_by_name}
    names = sorted(name for name in types_by_name if ops_of(CUSTOM + name))[:MOST_NAMES]
    return [
        (name, _type_text(types_by_name[name], examples_by_name.get(name, ""))) for name in names
    ]


def _type_text(types: set[str], example: str) -> str:
    text = ", ".join(str(TYPE_WORDS[kind]) for kind in sorted(types)) or _("custom attribute")
    if not example:
        return text
    return _("%(type)s, for example %(value)s") % {"type": text, "value": example}


def holds_days(app_group: AppGroup, name: str) -> bool:
    """Return whether a profile has a day in this attribute. True if two seconds do not suffice."""
    profiles = Profile.objects.filter(app_group=app_group)
    try:
        with at_most(TIME_LIMIT_SECONDS):
            return profiles.filter(attribute_sql.holds_day(name)).exists()
    except TooSlow:
        return True


def _read_types(app_group: AppGroup) -> Types:
    with connection.cursor() as cursor:
        cursor.execute(_SQL[connection.vendor], [app_group.pk, MOST_ROWS])
        rows = cursor.fetchall()
    types_by_name: Types = {}
    for name, kind in rows:
        types_by_name.setdefault(str(name), set()).update({TYPES[kind]} if kind in TYPES else ())
    return types_by_name
