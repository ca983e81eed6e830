"""Invented people for the demo and for benches: realistic and reproducible."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple, TypeVar

import orjson
from django.db import transaction
from django.utils import timezone

from audiencesync.groups.models import AppGroup, User
from audiencesync.people.demo.names import COUNTRIES, GERMANY, Country
from audiencesync.people.identifiers import normalise
from audiencesync.people.models import Segment
from audiencesync.people.writing import bulk, live_marks, rows

T = TypeVar("T")
CHUNK = 10_000
PEOPLE = 5000
SEGMENTS: dict[str, dict[str, Any]] = {
    "Newsletter subscribers": {"all": [{"field": "custom.newsletter", "op": "is_true"}]},
    "High-value customers": {
        "all": [
            {"field": "custom.lifetime_value", "op": "greater", "value": 500},
            {"field": "custom.orders", "op": "greater", "value": 2},
        ]
    },
}
_DOMAINS = ("example.com", "example.org", "example.net")
_PLANS = ("free", "free", "free", "basic", "basic", "premium")
_WEIGHTED_COUNTRIES = tuple(country for country in COUNTRIES for _ in range(country.share))
_BAD_EMAILS = ("", "", "", "{0}.{1}", "{0}(at)example.com", "{0}@@example.org")
_BAD_PHONES = ("", "", "", "n/a", "12345")


class _Person(NamedTuple):
    """The invented data of one person."""

    country: Country
    raw: normalise.Raw
    attributes: str
    ad_tracking_enabled: bool | None
    ads_consent: bool | None
    age_days: int


def _pick(random: Random, choices: Sequence[T]) -> T:
    """Choose one, three times as fast as Random.choice."""
    return choices[int(random.random() * len(choices))]


def _ascii(name: str) -> str:
    for umlaut, two in (("ü", "ue"), ("ä", "ae"), ("ö", "oe")):
        name = name.replace(umlaut, two)
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()


_ASCII = {
    name: _ascii(name)
    for country in COUNTRIES
    for name in (*country.first_names, *country.last_names)
}


def _email(random: Random, names: tuple[str, str], number: int) -> str:
    """Return an address at a domain reserved for examples; all are usable, some badly typed."""
    address = f"{_ASCII[names[0]]}.{_ASCII[names[1]]}{number}@{_pick(random, _DOMAINS)}"
    return f" {address.upper()} " if random.random() < 0.02 else address


def _phone(random: Random, country: Country, number: int) -> str:
    """Return a number reserved for fiction; some German ones are in national format."""
    prefix, digits = country.phones[number % len(country.phones)]
    phone = f"{prefix}{number // len(country.phones) % 10**digits:0{digits}}"
    return (
        f"0{phone[3:5]} / {phone[5:]}" if country is GERMANY and random.random() < 0.03 else phone
    )


def _device(random: Random) -> str:
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _identifiers(
    random: Random, country: Country, names: tuple[str, str], number: int
) -> normalise.Raw:
    """Return e-mail, phone, IDFA and GAID. About 8 % have no usable one: all empty or invalid."""
    draw = random.random()
    if draw < 0.08:
        bad_email = _pick(random, _BAD_EMAILS).format(_ASCII[names[0]], _ASCII[names[1]])
        return bad_email, _pick(random, _BAD_PHONES), normalise.ZERO if draw < 0.02 else "", ""
    email = (
        _email(random, names, number)
        if draw < 0.97
        else _pick(random, _BAD_EMAILS[3:]).format(*names)  # without the empty ones
    )
    phone = _phone(random, country, number) if draw > 0.97 or random.random() < 0.55 else ""
    device_draw = random.random()
    if device_draw < 0.28:
        return email, phone, normalise.ZERO if device_draw < 0.03 else _device(random).upper(), ""
    return email, phone, "", _device(random) if device_draw < 0.52 else ""


def _attributes(random: Random, names: tuple[str, str], now: datetime) -> str:
    """Return the attributes that a shop has of a customer, as JSON."""
    orders = int(random.paretovariate(0.9)) - 1 if random.random() < 0.8 else 0
    orders = min(orders, 60)
    attributes: dict[str, object] = {
        "first_name": names[0],
        "last_name": names[1],
        "plan": _pick(random, _PLANS),
        "newsletter": random.random() < 0.62,
        "orders": orders,
        "lifetime_value": round(orders * random.uniform(20, 190), 2),
    }
    if orders:
        attributes["last_purchase"] = (
            (now - timedelta(days=int(random.random() * 400))).date().isoformat()
        )
    return orjson.dumps(attributes).decode()


def _person(random: Random, number: int, now: datetime) -> _Person:
    country = _pick(random, _WEIGHTED_COUNTRIES)
    names = _pick(random, country.first_names), _pick(random, country.last_names)
    identifiers = _identifiers(random, country, names, number)
    consent_draw = random.random()
    tracking = (
        None
        if not (identifiers[2] or identifiers[3])
        else identifiers[2] != normalise.ZERO and random.random() > 0.05
    )
    return _Person(
        country=country,
        raw=identifiers,
        attributes=_attributes(random, names, now),
        ad_tracking_enabled=tracking,
        ads_consent=False if consent_draw < 0.04 else (None if consent_draw < 0.2 else True),
        age_days=int(random.random() * 700),
    )


def _external_id(number: int) -> str:
    return f"demo-{number:06}"


def _rows(
    app_group: AppGroup, people: list[_Person], first: int, now: datetime
) -> Iterator[bulk.NewProfile]:
    """Yield rows with their hashes, as the database takes them."""
    today = rows.database_time(now)
    created_at_by_age = [rows.database_time(now - timedelta(days=age)) for age in range(700)]
    hashes = normalise.hash_rows((person.raw for person in people), region=app_group.phone_region)
    for number, (person, hashes_of_person) in enumerate(zip(people, hashes, strict=True), first):
        yield bulk.NewProfile(
            app_group.pk,
            _external_id(number),
            *person.raw,
            person.country.code,
            person.country.language,
            person.attributes,
            person.ad_tracking_enabled,
            person.ads_consent,
            hashes_of_person.email,
            hashes_of_person.phone,
            hashes_of_person.idfa,
            hashes_of_person.gaid,
            hashes_of_person.email_gmail,
            hashes_of_person.phone_digits,
            hashes_of_person.invalid,
            normalise.RULE_VERSION,
            created_at_by_age[person.age_days],
            today,
        )


def load(app_group: AppGroup, *, by: User) -> None:
    """Create the people and the segments of the demo in an app group that has none of them yet."""
    make_people(app_group, PEOPLE)
    make_segments(app_group, by=by)


def make_people(app_group: AppGroup, n: int, *, seed: int = 7) -> None:
    """Create ``n`` people with the external ids ``demo-000001`` and on; the group has none yet.

    The same seed makes the same people.
    """
    now = timezone.now()
    for first in range(1, n + 1, CHUNK):
        random = Random(f"{seed}:{first}")  # noqa: S311  # reproducible on purpose
        people = [
            _person(random, number, now) for number in range(first, min(first + CHUNK, n + 1))
        ]
        with transaction.atomic():
            bulk.insert(list(_rows(app_group, people, first, now)))
            if live_marks.has_live_segments(app_group.pk):
                external_ids = [_external_id(first + index) for index in range(len(people))]
                ids = rows.by_external_id(app_group.pk, external_ids)
                live_marks.note(app_group.pk, ids.values())


def make_segments(app_group: AppGroup, *, by: User | None = None) -> list[Segment]:
    """Return the two segments of the demo; make them if they are missing."""
    return [
        Segment.objects.get_or_create(
            app_group=app_group, name=name, defaults={"filter": raw_filter, "created_by": by}
        )[0]
        for name, raw_filter in SEGMENTS.items()
    ]
