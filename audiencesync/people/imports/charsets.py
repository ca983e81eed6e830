"""Detect the encoding of a file that is not UTF-8 by the letters of languages.

An encoding fits if its letters are those of one language. Where several fit, the most common one is
suggested with ``is_sure`` false, and the page asks users to look.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from audiencesync.people.imports import eastern

_WESTERN = {  # letters beyond a-z, in the order in which the languages are tried
    "de": "äöüßéè", "fr": "àâæçéèêëîïôœùûüÿ", "es": "áéíñóúü¿¡ºª", "it": "àèéìíîòóùú",
    "pt": "ãõáéíóúâêôçàü", "nl": "ëïéèöüáó", "sv": "åäöé", "da": "æøåé", "fi": "äöåšž",
    "et": "äöõüšž", "is": "áðéíóúýþæö",
}  # fmt: skip
_CENTRAL = {
    "pl": "ąćęłńóśźż", "cs": "áčďéěíňóřšťúůýž", "sk": "áäčďéíĺľňóôŕšťúýž", "hu": "áéíóöőúüű",
    "hr": "čćđšž", "ro": "ăâîşţșț", "de": "äöüß",
}  # fmt: skip
_RUSSIAN = {"ru": "абвгдеёжзийклмнопрстуфхцчшщъыьэюя", "uk": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя"}
_GREEK = {"el": "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ"}
_TURKISH = {"tr": "çğıöşüâîûi̇"}
_CANDIDATES: list[tuple[str, dict[str, str]]] = [
    ("cp1252", _WESTERN), ("cp1254", _TURKISH), ("cp1250", _CENTRAL), ("iso-8859-2", _CENTRAL),
    ("cp1251", _RUSSIAN), ("koi8-r", _RUSSIAN), ("cp866", _RUSSIAN), ("cp1253", _GREEK),
    ("mac-roman", _WESTERN), ("cp850", _WESTERN),
]  # fmt: skip
_SIGNS = frozenset("€–—„“”‚‘’…§°´•\u00a0№«»™©®")
_INNER = re.compile("[^\\W\\d_][€–—„“”‚‘…§°•№«»™©®][^\\W\\d_]")  # a sign within a word
# The letters that a language uses most.
_FREQUENT = {
    "ru": frozenset("оеаинтсрвл"),
    "el": frozenset("αοιετσνηυρ"),
}
_WORD = re.compile(r"[^\W\d_]+")


_LANGUAGE_OF = {"cp1251": "ru", "koi8-r": "ru", "cp866": "ru", "cp1253": "el"}


class Found(NamedTuple):
    """An encoding, and whether no other one fits; otherwise it is the most common of several."""

    encoding: str
    is_sure: bool


def find(sample: bytes) -> Found:
    """Return the encoding of bytes that are neither ASCII nor UTF-8."""
    asian = eastern.readings(sample)
    if asian and eastern.is_clear(asian):
        return Found(asian[0].encoding, is_sure=True)
    texts = {
        name: sample.decode(name, "replace")
        for name, alphabets in _CANDIDATES
        if _fits(sample, name, alphabets)
    }
    if texts.get("cp1254") == sample.decode("cp1252", "replace"):
        # No letter that only Turkish has: names of many languages.
        texts = {"cp1252": texts.pop("cp1254")} | texts
    if not texts:
        return Found(asian[0].encoding if asian else "cp1252", is_sure=False)
    is_sure = not asian and len(set(texts.values())) == 1
    if "cp1254" in texts and texts["cp1254"] != texts.get("cp1252"):
        rivals = {name for name in texts if name in ("cp1252", *_LANGUAGE_OF)}
        # Icelandic has the same bytes, and is rarer.
        return Found("cp1254", is_sure=not rivals and not asian)
    best = max(texts, key=lambda name: _frequent_share(texts[name], name))  # the first of equals
    if asian and asian[0].share >= 0.5 and _frequent_share(texts[best], best) < 0.5:
        best = asian[0].encoding
    return Found(best, is_sure=is_sure)


def _fits(sample: bytes, encoding: str, languages: dict[str, str]) -> bool:
    """Whether all letters are those of one of the languages, and capitals stand where they may."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    strange = {character for character in text if character > "\x7f"} - _SIGNS
    if any(not character.isalpha() and character not in "¿¡ºª" for character in strange):
        return False
    if _INNER.search(text):
        return False
    letters = {character.lower()[0] for character in strange if character.isalpha()}
    if not any(letters <= set(alphabet) for alphabet in languages.values()):
        return False
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    if languages in (_RUSSIAN, _GREEK) and any(re.search("[a-zA-Z]", word) for word in words):
        return False
    return all(
        word[1:].islower() or word.isupper() or len(word) == 1 or "İ" in word for word in words
    )


def _frequent_share(text: str, encoding: str) -> float:
    """Return the share of the language's most frequent letters; 0.5 for Latin alphabets."""
    language = _LANGUAGE_OF.get(encoding)
    letters = [one for one in text.casefold() if one > "\x7f" and one.isalpha()]
    if not language or not letters:
        return 0.5
    return sum(one in _FREQUENT[language] for one in letters) / len(letters)
