"""Recognise placeholders of people and programs: they count as empty values, not as wrong ones."""

from __future__ import annotations

import re

LONGEST = 40
# "\n", a backslash and a letter, is the NULL that MySQL exports, in lower case.
_WORDS = frozenset(
    word.strip()
    for word in r"""
    n/a|#n/a|n.a.|n.a|na|#na|n / a|null|(null)|<null>|[null]|none|(none)|<none>|[none]"""
    r"""|nil|nan|undefined|\n
    unknown|(unknown)|<unknown>|not available|not applicable|not provided|not set|not known"""
    r"""|missing|tbd
    empty|(empty)|<empty>|blank|(blank)|<blank>|no email|no e-mail|no mail|noemail|nomail"""
    r"""|no phone|no number
    #ref!|#value!|#name?|#null!|#num!|#div/0!|#nv|#wert!|#bezug!|#zahl!|#leer!
    kein|keine|keiner|keine angabe|keine angaben|k.a.|k. a.|k.a|unbekannt|leer"""
    r"""|nicht vorhanden|nicht angegeben|entfällt
    """.strip()
    .replace("\n", "|")
    .split("|")
)
_SIGNS_ONLY = re.compile(r"[-\u2010-\u2015\u2212_.,?*/\\ ]+|0[0 .,-]*")  # -, --, ?, 0, 000 000
_WORDS_OF_PROGRAMS = frozenset(
    word.strip()
    for word in r"""
    n/a|#n/a|n.a.|n / a|null|(null)|<null>|[null]|none|(none)|<none>|[none]"""
    r"""|nil|nan|undefined|\n
    #ref!|#value!|#name?|#null!|#num!|#div/0!|#nv|#wert!|#bezug!|#zahl!|#leer!
    """.strip()
    .replace("\n", "|")
    .split("|")
)
DENIALS = frozenset({"none", "(none)", "<none>", "[none]"})  # as consent they may mean a refusal
_DASHES = re.compile(r"[-\u2010-\u2015\u2212]+")
EMAIL_LOCAL_PART = r"(?:none|null|nil|unknown|undefined|unbekannt|n/a|no[-_.]?e?-?mail|keine?)"
_EMAIL = re.compile(
    rf"{EMAIL_LOCAL_PART}@(?:{EMAIL_LOCAL_PART}|example)(?:\.[a-z]{{2,10}})?", re.ASCII
)


def is_empty_cell(text: str) -> bool:
    """Return whether programs write this for an empty cell of any column: ``NULL``, ``-``."""
    return len(text) <= 12 and (
        text.strip().casefold() in _WORDS_OF_PROGRAMS or _DASHES.fullmatch(text.strip()) is not None
    )


def is_placeholder(text: str) -> bool:
    """Return whether a text stands for no value.

    A device id of zeros is no placeholder: it says that tracking is refused.
    """
    if len(text) > LONGEST:
        return False
    word = " ".join(text.split()).casefold()
    if word in _WORDS or _EMAIL.fullmatch(word):
        return True
    return len(word) <= 20 and _SIGNS_ONLY.fullmatch(word) is not None
