"""Random conditions on attributes match the same people in the database and in plain Python."""

import json
import re
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from audiencesync.people.models import Profile
from audiencesync.people.parsers.days import day
from audiencesync.people.segments import filters
from audiencesync.people.segments.fold import fold
from audiencesync.people.segments.nodes import Group

pytestmark = [pytest.mark.thorough, pytest.mark.each_database]

NOW = datetime(2026, 11, 30, tzinfo=UTC)  # the start of a day
NAMES = ["x", "a.b", "größe", "😀", 'q"t', "b\\s", "%s", "{x}"]
NUMBERS = [0, 1, 5, 5.0, 0.1, 0.1 + 0.2, -1.5, 1 / 3, 2**53, -(2**53), 123456.789]
TEXTS = {  # text -> the number that it means, or None
    **{"5": 5, "0.1": 0.1, "1.5": 1.5, "-1.5": -1.5, "1,5": 1.5},
    **dict.fromkeys(
        ["gold", "GOLD", "007", "true", "ß", "SS", "İ", "ı", "ﬁ", "fi", "e\u0301", "É"]
    ),
    **dict.fromkeys(["Σ", "ς", "%", "_", "\\", '"', "a\nb", "٣", "2026-11-30", "30.11.2026"]),
    **dict.fromkeys(["2026-11-29T23:59:59-12:00", "2026-12-01", "2026-13-45", "2026-11-28x"]),
}
DAYS = ["2026-11-28", "2026-11-29", "2026-11-30"]
WITHOUT_VALUE = ["is_true", "is_false", "exists", "missing"]
RELATIVE = ["more_than_days_ago", "less_than_days_ago", "in_the_next_days"]
OPS = [
    "is",
    "is_not",
    "in",
    "contains",
    "starts_with",
    "greater",
    "less",
    *WITHOUT_VALUE,
    *RELATIVE,
]


def stored(random):
    """Return a random value of an attribute."""
    scalars = [*TEXTS, *NUMBERS, True, False, None, ""]
    kind = random.randrange(8)
    if kind == 0:
        return [random.choice([*TEXTS, 5, 0, True, None]) for _n in range(random.randrange(3))]
    return {"gold": 5} if kind == 1 else random.choice(scalars)


def condition(random):
    op = random.choice(OPS)
    condition = {"field": f"custom.{random.choice(NAMES)}", "op": op}
    values = [*TEXTS, *NUMBERS]
    if op in RELATIVE:
        return condition | {"value": random.randint(1, 3)}
    if op in ("greater", "less"):
        return condition | {"value": random.choice([*NUMBERS, *DAYS])}
    if op in ("contains", "starts_with"):
        return condition | {"value": random.choice([*TEXTS])}
    if op == "in":
        return condition | {"value": random.choices(values, k=3)}
    return condition if op in WITHOUT_VALUE else condition | {"value": random.choice(values)}


def tree(random, depth=0):
    if depth < 3 and random.random() < 0.5:
        parts = [tree(random, depth + 1) for _n in range(random.randint(1, 3))]
        return {random.choice(["all", "any", "none"]): parts}
    return condition(random)


def fits(node, known):
    """Return whether a person with the attributes ``known`` matches a filter."""
    if isinstance(node, Group):
        met = [fits(part, known) for part in node.parts]
        return {"all": all, "any": any, "none": lambda them: not any(them)}[node.match](met)
    return _OPS[node.op](known.get(node.field.removeprefix("custom.")), node.value)


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def day_in(value):
    """Return the day with which a text begins, else an empty text."""
    is_day = isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value, re.ASCII)
    return value[:10] if is_day else ""


def same(value, *wanted):
    """Return whether a value equals one of these, as a number, a folded text or a day."""
    for one in wanted:
        number = TEXTS.get(one) if isinstance(one, str) else one
        if is_number(value) and number is not None and value == number:
            return True
        if isinstance(one, str) and isinstance(value, str) and fold(value) == fold(one):
            return True
        if isinstance(one, str) and day(one) and day_in(value) == day(one):
            return True
    return False


def has(value, part, *, at_start=False):
    """Return whether a text contains or starts with ``part``, or a list has it as an element."""
    if isinstance(value, str):
        folded = fold(value)
        parts = [fold(part), fold(day(part) or part)]
        return any(folded.startswith(one) if at_start else one in folded for one in parts)
    elements = value if isinstance(value, list) and not at_start else []
    scalars = [element for element in elements if isinstance(element, str) or is_number(element)]
    return fold(part) in [fold(one if isinstance(one, str) else json.dumps(one)) for one in scalars]


def compared(value, wanted):
    """Return a number below, equal to or above 0; None if the values cannot be compared."""
    comparable = (
        day_in(value) or None if isinstance(wanted, str) else value if is_number(value) else None
    )
    return None if comparable is None else (comparable > wanted) - (comparable < wanted)


def within(value, first, last):
    """Return whether a value is a day from ``first`` to ``last`` days after today."""
    return bool(day_in(value)) and ago(-first) <= day_in(value) <= ago(-last)


def ago(days):
    return (NOW - timedelta(days=days)).date().isoformat()


_OPS = {
    "is": same,
    "is_not": lambda value, wanted: not same(value, wanted),
    "in": lambda value, wanted: same(value, *wanted),
    "contains": has,
    "starts_with": lambda value, part: has(value, part, at_start=True),
    "greater": lambda value, wanted: compared(value, wanted) == 1,
    "less": lambda value, wanted: compared(value, wanted) == -1,
    "is_true": lambda value, _none: value is True,
    "is_false": lambda value, _none: value is False,
    "exists": lambda value, _none: value is not None,
    "missing": lambda value, _none: value is None,
    "more_than_days_ago": lambda value, n: "" < day_in(value) < ago(n),
    "less_than_days_ago": lambda value, n: within(value, 1 - n, 0),
    "in_the_next_days": lambda value, n: within(value, 0, n),
}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_database_finds_the_same_people_as_python(acme, seed):
    random = Random(seed)
    people = {
        str(n): {name: stored(random) for name in NAMES if random.random() < 0.8} for n in range(60)
    }
    Profile.objects.bulk_create(
        Profile(app_group=acme, external_id=name, attributes=known)
        for name, known in people.items()
    )
    for _n in range(150):
        raw = tree(random)
        query = filters.parse(raw, now=NOW, app_group=acme.pk)
        external_ids = Profile.objects.filter(query).values_list("external_id", flat=True)
        node = filters.read(raw)
        expected = {name for name, known in people.items() if fits(node, known)}
        assert set(external_ids) == expected, raw
