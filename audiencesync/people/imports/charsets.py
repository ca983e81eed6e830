"""Which encoding a file has that is no UTF-8: by the letters of languages, and honestly: ``is_sure`` says whether it is.

An encoding fits if its letters are those of one language. Where several do, the one that is used most is suggested, and
the page asks people to look.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_WESTERN = {  # letters beyond a-z, in the order in which the languages are tried
    "de": "äöüßéè", "fr": "àâæçéèêëîïôœùûüÿ", "es": "áéíñóúü¿¡ºª", "it": "àèéìíîòóùú", "pt": "ãõáéíóúâêôçàü",
    "nl": "ëïéèöüáó", "sv": "åäöé", "da": "æøåé", "fi": "äöåšž", "et": "äöõüšž", "is": "áðéíóúýþæö",
}  # fmt: skip
_CENTRAL = {
    "pl": "ąćęłńóśźż", "cs": "áčďéěíňóřšťúůýž", "sk": "áäčďéíĺľňóôŕšťúýž", "hu": "áéíóöőúüű", "hr": "čćđšž",
    "ro": "ăâîşţșț", "de": "äöüß",
}  # fmt: skip
_RUSSIAN = {"ru": "абвгдеёжзийклмнопрстуфхцчшщъыьэюя", "uk": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя"}
_GREEK = {"el": "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ"}
_TURKISH = {"tr": "çğıöşüâîûi̇"}
_CANDIDATES: list[tuple[str, dict[str, str]]] = [
    ("cp1252", _WESTERN), ("cp1254", _TURKISH), ("cp1250", _CENTRAL), ("iso-8859-2", _CENTRAL), ("cp1251", _RUSSIAN),
    ("koi8-r", _RUSSIAN), ("cp1253", _GREEK), ("mac-roman", _WESTERN), ("cp850", _WESTERN),
]  # fmt: skip
_SIGNS = frozenset("€–—„“”‚‘’…§°´•\u00a0")
_FREQUENT = frozenset("оеаинтсрвл")
_WORD = re.compile(r"[^\W\d_]+")


class Found(NamedTuple):
    """An encoding, and whether it is told by the bytes rather than by what is usual."""

    encoding: str
    is_sure: bool


def find(sample: bytes) -> Found:
    """The encoding of bytes that are neither ASCII nor UTF-8."""
    if _is_japanese(_strange(sample, "cp932")):
        return Found("cp932", is_sure=True)
    texts = {name: sample.decode(name, "replace") for name, alphabets in _CANDIDATES if _fits(sample, name, alphabets)}
    if {"cp1251", "koi8-r"} <= set(texts):
        del texts[min(("cp1251", "koi8-r"), key=lambda name: _frequency(texts[name]))]
    if texts.get("cp1254") == sample.decode("cp1252", "replace"):
        texts = {"cp1252": texts.pop("cp1254")} | texts  # no letter that only Turkish has: names of many languages
    if "cp1254" in texts and texts["cp1254"] != texts.get("cp1252"):
        return Found("cp1254", is_sure="cp1252" not in texts)  # Icelandic has the same bytes, and is read less
    many = _eastern(sample)
    if not texts:
        return many or Found("cp1252", is_sure=False)
    return Found(next(iter(texts)), is_sure=not many and len(set(texts.values())) == 1)


def _fits(sample: bytes, encoding: str, languages: dict[str, str]) -> bool:
    """Whether all letters are those of one of the languages, and large ones stand where they may."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    strange = {character for character in text if character > "\x7f"} - _SIGNS
    if any(not character.isalpha() and character not in "¿¡ºª" for character in strange):
        return False
    letters = {character.lower()[0] for character in strange}
    if not any(letters <= set(alphabet) for alphabet in languages.values()):
        return False
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    if languages in (_RUSSIAN, _GREEK) and any(re.search("[a-zA-Z]", word) for word in words):
        return False
    return all(word[1:].islower() or word.isupper() or len(word) == 1 or "İ" in word for word in words)


def _frequency(text: str) -> int:
    """How much it looks like Russian: by its most frequent letters, the small ones counting more."""
    return sum(character in _FREQUENT for character in text) * 2 + sum(map(str.islower, text))


def _eastern(sample: bytes) -> Found | None:
    """Chinese or Korean: characters of two bytes."""
    pairs = re.findall(rb"[\x80-\xff][\x40-\xff]", sample)
    if _is_korean(_strange(sample, "cp949")) and all(pair >= b"\xb0\xa1" and pair[1] > 0xA0 for pair in pairs):
        return Found("cp949", is_sure=True)
    if _is_han(_strange(sample, "gbk")) and all(b"\xa1" <= pair < b"\xd8" and pair[1] > 0xA0 for pair in pairs):
        return Found("gbk", is_sure=len(pairs) > 3)
    for name in ("cp932", "big5", "gbk"):
        if _is_han(_strange(sample, name)) and (name != "cp932" or all(b"\x88" <= pair < b"\x99" for pair in pairs)):
            return Found(name, is_sure=False)
    return None


def _is_han(text: str) -> bool:
    return bool(text) and all("\u4e00" <= one <= "\u9fff" or one in "，。、（）：；·" for one in text)


def _strange(sample: bytes, encoding: str) -> str:
    """The characters beyond ASCII; none if the bytes are not of this encoding."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return ""
    return "".join(character for character in text if character > "\x7f")


def _is_japanese(text: str) -> bool:
    """With kana, and in whole: half-width ones are what Latin letters look like."""
    kana = sum("\u3040" <= one <= "\u30ff" for one in text)
    rest = sum("\u4e00" <= one <= "\u9fff" or one in "　、。「」・ー（）々" for one in text)
    return kana > 0 and kana + rest == len(text) and kana * 10 >= len(text)


def _is_korean(text: str) -> bool:
    return len(text) > 1 and all("\uac00" <= one <= "\ud7a3" for one in text)
