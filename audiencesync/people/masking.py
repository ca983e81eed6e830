"""Show a person: identifiers with their state in words, personal data masked for viewers."""

from __future__ import annotations

import json
import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.formats import date_format, get_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiencesync.people.identifiers import phones
from audiencesync.people.identifiers.normalise import is_tracking_refusal
from audiencesync.people.models import KINDS, Event, Profile

LABELS = {
    "email": gettext_lazy("E-mail"),
    "phone": gettext_lazy("Phone"),
    "idfa": gettext_lazy("iOS IDFA"),
    "gaid": gettext_lazy("Android GAID"),
}
PHONE_PROBLEMS: dict[str | None, str | Promise] = {
    # None: valid by the current rule and country, but stored as invalid under former ones.
    None: gettext_lazy("Cannot be sent: this phone number has not been read yet"),
    "invalid": gettext_lazy("Cannot be sent: this is not a valid phone number"),
    "ambiguous": gettext_lazy(
        "Cannot be sent: with or without a country code, this could be two phone numbers"
    ),
    "spreadsheet": gettext_lazy(
        "Cannot be sent: a spreadsheet made a decimal of this number, digits may be lost"
    ),
}
LONGEST_VALUE = 200  # characters of an attribute on a page
# Names of attributes, letters only, that hold first names, last names, whole names.
NAME_ATTRIBUTES: tuple[tuple[str, ...], ...] = (
    ("firstname", "vorname", "givenname", "prenom", "forename"),
    ("lastname", "nachname", "surname", "familyname", "nom"),
    ("name", "fullname", "displayname"),
)
STARS = "***"
SMALLEST_PHONE = 1_000_000  # numbers of seven digits and more
PHONE_DIGITS = 7
DAY_PATTERN = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
# External ids that viewers may find by their first characters (views/profiles.py): only ids that
# `mask_contact_data` leaves as they are. SHOWN_ID: ASCII without @, with at most six digits.
SHOWN_ID = r"^([ -/:-?A-~]*[0-9]){0,6}[ -/:-?A-~]*$"
UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


@dataclass(frozen=True, slots=True)
class Identifier:
    """One identifier of a profile as a page shows it."""

    label: str
    value: str
    state: str
    tone: str = ""  # colour and icon of the state: good, bad, or empty (neutral)


@dataclass(frozen=True, slots=True)
class Person:
    """A profile as a page shows it."""

    profile: Profile
    external_id: str
    name: str
    email: str
    phone: str
    usable: str  # kinds of usable identifiers, in words


def mask_email(email: str) -> str:
    """Mask max@mail.example.de as m***@m***.de, and any text that is no address as ***."""
    local, at, domain = email.strip().rpartition("@")
    if not (local and at and domain):
        return STARS if email.strip() else ""
    return (
        f"{local[0]}{STARS}@{domain[0]}{STARS}.{domain.rpartition('.')[2]}"
        if "." in domain
        else STARS
    )


def mask_end(value: str, keep: int) -> str:
    """Mask all but the last ``keep`` characters of a phone or device id; all if it is short."""
    value = value.strip()
    return f"{STARS}{value[-keep:]}" if len(value) > 3 * keep else STARS * bool(value)


def mask(kind: str, value: str) -> str:
    """Return one identifier as viewers see it."""
    if kind == "email":
        return mask_email(value)
    return mask_end(value, 2 if kind == "phone" else 4)


def person(profile: Profile, *, masked: bool) -> Person:
    """Return a profile as a row of a list shows it."""
    identifiers_shown = {
        kind: identifier_text(profile, kind, masked=masked) for kind in ("email", "phone")
    }
    usable = ", ".join(
        str(LABELS[kind]) for kind in KINDS if getattr(profile, f"{kind}_sha256") is not None
    )
    name = _name(profile.attributes)
    return Person(
        profile,
        external_id(profile, masked=masked),
        STARS if masked and name else name,
        identifiers_shown["email"],
        identifiers_shown["phone"],
        usable,
    )


def holds_person_name(attribute: str) -> bool:
    """Return whether an attribute of this name usually holds the name of a person."""
    letters = "".join(filter(str.isalpha, attribute.casefold()))
    return any(letters in synonyms for synonyms in NAME_ATTRIBUTES)


def _name(attributes: Any) -> str:
    """Return first and last name, else the whole name, from the attributes usual for them."""
    if not isinstance(attributes, dict):
        return ""
    values: dict[tuple[str, ...], str] = {}
    for key, value in attributes.items():
        letters = "".join(filter(str.isalpha, key.casefold()))
        for synonyms in NAME_ATTRIBUTES:
            if letters in synonyms and isinstance(value, str):
                values.setdefault(synonyms, value)
    parts = [values.get(synonyms, "") for synonyms in NAME_ATTRIBUTES]
    return " ".join(part for part in parts[:2] if part) or parts[2]


def identifier_text(profile: Profile, kind: str, *, masked: bool) -> str:
    """Return one identifier, or a text that says that only its hash is known."""
    raw: str = getattr(profile, kind)
    if not raw and getattr(profile, f"{kind}_sha256") is not None:
        return _("known only as a hash")
    return mask(kind, raw) if masked else raw


def external_id(profile: Profile, *, masked: bool) -> str:
    """Return the external id; of an anonymous profile the id that the API calls ``braze_id``.

    Some shops use the e-mail address or the phone as external id: viewers must not read those.
    """
    external_id = profile.external_id
    if external_id is None:
        return profile.braze_id
    return mask_contact_data(external_id) if masked else external_id


def mask_contact_data(text: str) -> str:
    """Mask an id or attribute name that may hold an e-mail address or a phone, however written."""
    normalised = unicodedata.normalize("NFKC", text)
    if "@" in normalised:
        return mask_email(normalised)
    if re.search(UUID, text) or sum(character.isdigit() for character in normalised) < PHONE_DIGITS:
        return text
    return mask_end(normalised, 2)


def identifiers(profile: Profile, *, masked: bool) -> list[Identifier]:
    """Return all four identifiers with their state."""
    return [_with_state(profile, bit, kind, masked=masked) for bit, kind in enumerate(KINDS)]


def _with_state(profile: Profile, bit: int, kind: str, *, masked: bool) -> Identifier:
    label, raw = str(LABELS[kind]), getattr(profile, kind)
    value = mask(kind, raw) if masked else raw
    if getattr(profile, f"{kind}_sha256") is not None:
        return Identifier(
            label,
            value,
            _("Can be sent") if raw else _("Can be sent; known only as a hash"),
            "good",
        )
    if profile.invalid_kinds >> bit & 1:
        problem = _identifier_problem(kind, raw, region=profile.app_group.phone_region)
        return Identifier(label, value, problem, "bad")
    return Identifier(label, value, _("None known"))


def _identifier_problem(kind: str, raw: str, *, region: str) -> str:
    if kind == "email":
        return _("Cannot be sent: this is not a valid e-mail address")
    if kind == "phone":
        return str(PHONE_PROBLEMS[phones.read(raw, region).problem])
    if is_tracking_refusal(kind, raw):
        return _("Cannot be sent: all zeros, so tracking is refused on the device")
    return _("Cannot be sent: this is not a valid device ID")


def attributes(profile: Profile, *, masked: bool) -> list[tuple[str, str]]:
    """Return (name, value as text) of the custom attributes, sorted by name.

    ``masked`` shows only booleans and short numbers: a text may identify the person, and a long
    number may be a phone.
    """
    attributes: Any = profile.attributes
    if not isinstance(attributes, dict):
        return []
    shown = (
        (mask_contact_data(name) if masked else name, value)
        for name, value in sorted(attributes.items())
    )
    return [(name, attribute(value, masked=masked)) for name, value in shown]


def attribute(value: object, *, masked: bool) -> str:
    """Return the value of a custom attribute as text."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int | float) and not (masked and abs(value) >= SMALLEST_PHONE):
        return str(value).replace(".", get_format("DECIMAL_SEPARATOR"))
    if masked:
        return STARS
    if isinstance(value, str) and re.fullmatch(DAY_PATTERN, value):
        with suppress(ValueError):
            return date_format(date.fromisoformat(value), "SHORT_DATE_FORMAT")
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]} …"


def event(row: Event, *, masked: bool) -> tuple[Event, str]:
    """Return an event with its properties as one line of text; ``masked`` hides the properties."""
    text = "" if masked or not row.properties else attribute(row.properties, masked=False)
    return row, text


def consent(profile: Profile) -> tuple[str, str]:
    """Return the consent to advertising in words, with its tone."""
    return {
        True: (_("Given"), "good"),
        False: (_("Refused: never added to an audience, always removable"), "bad"),
        None: (
            (_("Unknown: not added until it is given"), "bad")
            if profile.app_group.consent_required
            else (_("Unknown: treated as given"), "")
        ),
    }[profile.ads_consent]


def tracking(profile: Profile) -> tuple[str, str]:
    """Return the state of ad tracking on the device in words, with its tone."""
    return {
        True: (_("Allowed"), "good"),
        False: (_("Refused on the device"), "bad"),
        None: (_("Unknown: treated as allowed"), ""),
    }[profile.ad_tracking_enabled]
