"""Detect the encoding of a file that is not UTF-8.

A single-byte encoding fits if it turns all bytes beyond ASCII into letters of one language. If
several fit, the one with the largest share of frequent letters is suggested; at equal shares, the
most common one. If their texts differ, ``is_sure`` is false and the page asks users to check.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from audiencesync.people.imports import eastern

_WESTERN = {  # letters beyond a-z
    "de": "äöüßéè", "fr": "àâæçéèêëîïôœùûüÿ", "es": "áéíñóúüºª", "it": "àèéìíîòóùú",
    "pt": "ãõáéíóúâêôçàü", "nl": "ëïéèöüáó", "sv": "åäöé", "da": "æøåé", "fi": "äöåšž",
    "et": "äöõüšž", "is": "áðéíóúýþæö",
}  # fmt: skip
_CENTRAL = {
    "pl": "ąćęłńóśźż", "cs": "áčďéěíňóřšťúůýž", "sk": "áäčďéíĺľňóôŕšťúýž", "hu": "áéíóöőúüű",
    "hr": "čćđšž", "ro": "ăâîşţșț", "de": "äöüß",
}  # fmt: skip
_CYRILLIC = {"ru": "абвгдеёжзийклмнопрстуфхцчшщъыьэюя", "uk": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя"}
_GREEK = {"el": "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ"}
_TURKISH = {"tr": "çğıöşüâîûi̇"}
# The most common first: at equal shares of frequent letters the order decides.
_CANDIDATES: list[tuple[str, dict[str, str]]] = [
    ("cp1252", _WESTERN), ("cp1254", _TURKISH), ("cp1250", _CENTRAL), ("iso-8859-2", _CENTRAL),
    ("cp1251", _CYRILLIC), ("koi8-r", _CYRILLIC), ("cp866", _CYRILLIC), ("cp1253", _GREEK),
    ("mac-roman", _WESTERN), ("cp850", _WESTERN),
]  # fmt: skip
_SIGNS = frozenset("€–—„“”‚‘’…§°´•\u00a0№«»™©®¿¡")
# A sign stands beside a word. Between two letters, it is a misread letter of another encoding.
_SIGN_WITHIN_WORD = re.compile("[^\\W\\d_][€–—„“”‚‘…§°•№«»™©®][^\\W\\d_]")
_FREQUENT_LETTERS = {
    "ru": frozenset("оеаинтсрвл"),
    "el": frozenset("αοιετσνηυρ"),
}
_NEUTRAL_SHARE = 0.5  # assumed for encodings that _LANGUAGE_OF lacks; a likely one exceeds it
_WORD = re.compile(r"[^\W\d_]+")


_LANGUAGE_OF = {"cp1251": "ru", "koi8-r": "ru", "cp866": "ru", "cp1253": "el"}
# Encodings that make a Turkish result doubtful: in cp1252, the bytes of ğ, ı and ş are Icelandic
# letters. The other Latin encodings make none.
_RIVALS_OF_TURKISH = {"cp1252", *_LANGUAGE_OF}


class DetectedEncoding(NamedTuple):
    """An encoding. ``is_sure``: no other encoding that fits gives another text.

    For Turkish, only _RIVALS_OF_TURKISH and the East Asian encodings are considered.
    """

    encoding: str
    is_sure: bool


def detect(sample: bytes) -> DetectedEncoding:
    """Return the encoding of bytes that are neither ASCII nor UTF-8."""
    east_asian = eastern.decodings(sample)
    if east_asian and eastern.is_clear(east_asian):
        return DetectedEncoding(east_asian[0].encoding, is_sure=True)
    texts = {
        name: sample.decode(name, "replace")
        for name, alphabets in _CANDIDATES
        if _fits(sample, name, alphabets)
    }
    if texts.get("cp1254") == sample.decode("cp1252", "replace"):
        # Both encodings give the same text: report cp1252, which is more common.
        texts = {"cp1252": texts.pop("cp1254")} | texts
    if not texts:
        return DetectedEncoding(east_asian[0].encoding if east_asian else "cp1252", is_sure=False)
    if "cp1254" in texts:
        rivals = texts.keys() & _RIVALS_OF_TURKISH
        return DetectedEncoding("cp1254", is_sure=not rivals and not east_asian)
    best = max(texts, key=lambda name: _frequent_share(texts[name], name))  # the first of equals
    is_sure = not east_asian and len(set(texts.values())) == 1
    if (
        east_asian
        and east_asian[0].frequent_share >= _NEUTRAL_SHARE
        and _frequent_share(texts[best], best) < _NEUTRAL_SHARE
    ):
        best = east_asian[0].encoding
    return DetectedEncoding(best, is_sure=is_sure)


def _fits(sample: bytes, encoding: str, alphabets: dict[str, str]) -> bool:
    """Return whether all letters are of one of the languages, and capitals stand where they may."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    non_ascii = {character for character in text if character > "\x7f"} - _SIGNS
    if not all(map(str.isalpha, non_ascii)) or _SIGN_WITHIN_WORD.search(text):
        return False
    # [0]: "İ" becomes "i" and a combining dot.
    letters = {character.lower()[0] for character in non_ascii}
    if not any(letters <= set(alphabet) for alphabet in alphabets.values()):
        return False
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    # A word that mixes Latin and other letters shows a wrong encoding.
    if alphabets in (_CYRILLIC, _GREEK) and any(re.search("[a-zA-Z]", word) for word in words):
        return False
    return all(map(_has_plausible_capitals, words))


def _has_plausible_capitals(word: str) -> bool:
    # Python's rules for capitals do not fit Turkish, so İ is accepted anywhere.
    return word[1:].islower() or word.isupper() or len(word) == 1 or "İ" in word


def _frequent_share(text: str, encoding: str) -> float:
    """Return the share of the language's most frequent letters; neutral for Latin alphabets."""
    language = _LANGUAGE_OF.get(encoding)
    letters = [
        character for character in text.casefold() if character > "\x7f" and character.isalpha()
    ]
    if not language or not letters:
        return _NEUTRAL_SHARE
    return sum(letter in _FREQUENT_LETTERS[language] for letter in letters) / len(letters)
