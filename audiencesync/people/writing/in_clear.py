"""Detect e-mail addresses and phone numbers, which a hash-only group must not store in the clear.

The API and the import share this rule: it decides by the value of an attribute, and by the name
of the attribute where the value is ambiguous.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from audiencesync.people.identifiers import normalise, phones
from audiencesync.people.writing.attribute_changes import Edit, EditObjects, Inc, Merge

_NAMES = {  # kind -> words in names of attributes, as `_letters_only` spells them
    "email": "email emails mail mails emailadresse mailadresse emailaddress courriel correo",
    "phone": (
        "phone phones telephone phonenumber cellphone mobilephone mobile mobil mobilnummer mobilnr"
        " mobilfunk mobilfunknummer handy handynr handynummer telefon telefonnr telefonnummer tel"
        " fon fax faxnummer telefax cell rufnummer festnetz festnetznummer whatsapp sms msisdn gsm"
        " viber landline notfallkontakt notfallnummer rückrufnummer kontaktnummer contactnumber"
        " telefono teléfono tél téléphone telefone telefoon cellulare celular móvil movil mobiel"
        " komórka matkapuhelin puhelin телефон 电话 手机 전화 電話"
    ),
}
_KINDS = {word: kind for kind, words in _NAMES.items() for word in words.split()}
_PHONE_PARTS = re.compile("phone|telefon|handy|whatsapp|rufnummer|mobilnum|mobilenum|msisdn")
_OTHER_CONTACT_WORDS = "contact kontakt emergency callback rückruf rueckruf durchwahl telegram"
_NOT_THE_NUMBER = (  # words that show that a name such as "phone model" means no phone number
    "at date time timestamp datum zeit count anzahl version model modell os app optin consent price"
    " preis plan"
)
_CONTACT_WORDS, _OTHER_MEANINGS = (
    frozenset(_OTHER_CONTACT_WORDS.split()),
    frozenset(_NOT_THE_NUMBER.split()),
)
_CAMEL_CASE = re.compile(r"(?<=[a-zäöüß])(?=[A-ZÄÖÜ])")
_EMAIL = re.compile(r"[^\s@/<>(),;:\[\]]\s*(?:@|%40)\s*(?![0-9]x\.)(?:[\w-]+\.)+[^\W\d_][\w-]+")
_NUMBER = re.compile(  # begins with a plus or zero, or is grouped as in North America
    r"(?<![\w.,+-])(?:(?:\+|\(?00?|\(\+)[ ()]*[1-9](?:[ ()/.-]{0,3}[0-9]){5,14}"
    r"|\(?[2-9][0-9]{2}[) -]{1,2}[0-9]{3}[ -][0-9]{4})(?!\w)",
    re.ASCII,
)
_TIMESTAMP = re.compile(
    r"(?:[0-9]{4}([-/.])[0-9]{1,2}\1[0-9]{1,2}|[0-9]{1,2}([-/.]) ?[0-9]{1,2}\2 ?[0-9]{4})"
    r"(?:[T ,]+[0-9]{1,2}:[0-9]{2}[0-9:.,]*"
    r"(?: ?(?:[AaPp][Mm]|Uhr|Z|UTC|[+-][0-9]{2}:?[0-9]{0,2}))?)?",
    re.ASCII,
)
_HASH = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_MIN_DIGITS, _MAX_DIGITS = 6, 15  # digits of a phone number


def kind_of(name: str) -> str:
    """Return ``email`` or ``phone`` for names such as "E-Mail 2" or "Handy privat"; else ""."""
    words = [*map(_letters_only, re.split(r"[\s_.:/()\d]+", name)), _letters_only(name)]
    return next((_KINDS[word] for word in words if word in _KINDS), "")


def _letters_only(word: str) -> str:
    return re.sub(r"[\W_\d]", "", word).casefold()


def _may_be_a_phone(name: str) -> bool:
    """Return whether a name suggests a phone number: "homePhone", "Telefonprivat", "contact"."""
    normalised = re.sub("iphone", "", unicodedata.normalize("NFKC", name), flags=re.IGNORECASE)
    words = {
        *map(_letters_only, re.split(r"[\s_.:/()\d-]+", _CAMEL_CASE.sub(" ", normalised))),
        _letters_only(normalised),
    }
    if not _OTHER_MEANINGS.isdisjoint(words):
        return False
    names_a_phone = (
        kind_of(normalised) == "phone" or _PHONE_PARTS.search(_letters_only(normalised)) is not None
    )
    return names_a_phone or any(
        word in _CONTACT_WORDS or _KINDS.get(word) == "phone" for word in words
    )


def has_email(text: str) -> bool:
    """Return whether a text is or contains an e-mail address."""
    if text.isascii() and "@" not in text and "%40" not in text:
        return False
    normalised = unicodedata.normalize("NFKC", normalise.visible(text)).replace("\u3002", ".")
    return _EMAIL.search(normalised) is not None


def _has_phone(text: str, region: str) -> bool:
    """Return whether a text contains a valid phone number; plain digits count only if mobile."""
    normalised = phones.plain(text)
    if _TIMESTAMP.fullmatch(normalised):
        return False
    for match in _NUMBER.finditer(normalised):
        number = phones.read(match[0], region).number
        if number and (not match[0].isdigit() or phones.is_mobile(number)):
            return True
    return False


def _looks_like_a_number(value: Any) -> bool:
    """Return whether a value looks like a phone number, valid or not."""
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, int | float):
        return value == int(value) and _MIN_DIGITS <= len(str(abs(int(value)))) <= _MAX_DIGITS
    text = phones.plain(value)
    if _TIMESTAMP.fullmatch(text) or _HASH.fullmatch(text):
        return False
    return sum(map(str.isdigit, text)) >= _MIN_DIGITS


def holds_address(name: str, value: Any, *, region: str) -> bool:
    """Return whether an attribute, or a change of one, holds an e-mail or phone at any depth."""
    return has_email(name) or any(_is_address(*item, region) for item in _leaves(name, value))


def _is_address(name: str, value: Any, region: str) -> bool:
    if isinstance(value, str) and has_email(value):
        return True
    if _may_be_a_phone(name) and _looks_like_a_number(value):
        return True
    return (
        isinstance(value, str)
        and sum(map(str.isdigit, value)) >= _MIN_DIGITS
        and _has_phone(value, region)
    )


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield (name, value) of each text and number in a value, with the name nearest to it.

    The names of an object's parts are yielded as texts, too, with an empty name.
    """
    match value:
        case Inc(by):
            yield name, by
        case Edit(add):
            yield from _leaves(name, list(add))
        case Merge(parts):
            yield from _leaves(name, dict(parts))
        case EditObjects(add, update):
            yield from _leaves(name, [*add, *(parts for _key, _value, parts in update)])
        case dict():
            for part_name, item in value.items():
                yield "", part_name
                # In {"mobile": {"private": …}} the outer name says more about the value.
                keeps_name = kind_of(name) == "phone" and not _may_be_a_phone(part_name)
                yield from _leaves(name if keeps_name else part_name, item)
        case list():
            for item in value:
                yield from _leaves(name, item)
        case _:
            yield name, value
