"""Read numbers as people write them in tables: 12.5, 1.234,56, 1 234,56 €.

A number that would lose a digit is rejected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal

Number = int | float
BIGGEST = 2**53  # beyond it a float cannot hold every whole number
LONGEST = 40  # characters
COMMA, POINT = "comma", "point"  # styles of a column: its decimal sign, if its cells prove one
_PLAIN = re.compile(r"-?(?:0|[1-9][0-9]{0,13})(?:\.[0-9]{1,9})?", re.ASCII)
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,13})", re.ASCII)
# 1.234 may mean thousands or three decimals.
_AMBIGUOUS = re.compile(r"-?[1-9][0-9]{0,2}[.,][0-9]{3}", re.ASCII)
_MONEY = re.compile(
    r"([^\d\s.,+'’\u2212-]{0,4})\s*([-\u2212]?[0-9][0-9.,'’\s]*?)\s*([^\d\s.,+'’\u2212-]{0,4})"
)
_CURRENCIES = {
    "€": "EUR",
    "$": "USD",
    "£": "GBP",
    "¥": "JPY",
    "Fr.": "CHF",
    "SFr": "CHF",
    "zł": "PLN",
    "Kč": "CZK",
}
_CODES = "EUR USD GBP JPY CHF PLN CZK SEK NOK DKK HUF RON BGN TRY AUD CAD"
_GROUPED_NUMBERS = {  # decimal sign -> numbers, with or without groups of thousands
    sign: re.compile(
        rf"-?(?:0|[1-9][0-9]{{0,2}}(?:(?:\{other}[0-9]{{3}})+|(?:[\s'’][0-9]{{3}})+)|[1-9][0-9]*)"
        rf"(?:\{sign}[0-9]+)?",
        re.ASCII,
    )
    for sign, other in ((".", ","), (",", "."))
}
_DECIMAL_SIGNS = {COMMA: ",", POINT: "."}


def exact(text: str) -> Number | None:
    """Return the number that a text of digits means; None if it would lose or change a digit.

    Most numbers of 17 digits would; 0.30000000000000004 keeps all its digits.
    """
    if not re.search("[.eE]", text):
        whole = int(text) if len(text) < 20 else BIGGEST + 1
        return whole if abs(whole) <= BIGGEST else None
    value = float(text) if len(text) < 400 else BIGGEST + 1.0
    return value if abs(value) <= BIGGEST and Decimal(repr(value)) == Decimal(text) else None


def style(cells: Iterable[str]) -> str:
    """Return the decimal sign that a column proves, COMMA or POINT; empty if none does, or both."""
    proved_styles = {proved_style for proved_style in map(_proved_style, cells) if proved_style}
    return proved_styles.pop() if len(proved_styles) == 1 else ""


def _money(cell: str) -> re.Match[str] | None:
    return _MONEY.fullmatch(cell) if len(cell) <= LONGEST else None


def _proved_style(cell: str) -> str:
    """Return the decimal sign that one cell proves: COMMA, POINT or empty."""
    if cell.isdecimal() or not (money := _money(cell)):
        return ""
    digits = money[2]
    n_points, n_commas = digits.count("."), digits.count(",")
    if n_points and n_commas:
        return POINT if digits.rindex(".") > digits.rindex(",") else COMMA
    if n_points > 1 or n_commas > 1:
        return COMMA if n_points else POINT
    if n_points + n_commas == 0 or _AMBIGUOUS.fullmatch(digits):
        return ""
    return POINT if n_points else COMMA


def currency(cell: str) -> str:
    """Return the currency in a cell, as ISO 4217; empty if there is none."""
    money = _money(cell)
    symbol = (money[1] or money[3]) if money else ""
    return _CURRENCIES.get(
        symbol, symbol.upper() if symbol and symbol.upper() in _CODES.split() else ""
    )


def unambiguous(text: str) -> Number | None:
    """Return the number that a text means in any language: ``1.5``, ``1.234,50``; else None."""
    cell = text.strip()
    if _PLAIN.fullmatch(cell) and not _AMBIGUOUS.fullmatch(cell):
        return float(cell) if "." in cell else int(cell)
    decimal_style = style([cell])
    return reader(decimal_style, "tab")(cell) if decimal_style else None


def reader(decimal_style: str, delimiter: str) -> Callable[[str], Number | None]:
    """Return the reader for the numbers of a column with this decimal sign.

    Without a decimal sign it reads only numbers that have no other reading.
    """
    has_free_comma = delimiter != "comma"

    def read(cell: str) -> Number | None:
        if (_WHOLE if decimal_style == COMMA else _PLAIN).fullmatch(cell):
            # Programs that write semicolons mostly write decimal commas: 1.234 may be thousands,
            # even in a column with other decimal points.
            if delimiter == "semicolon" and "." in cell and _AMBIGUOUS.fullmatch(cell):
                return None
            return float(cell) if "." in cell else int(cell)
        return _formatted(cell, decimal_style, has_free_comma=has_free_comma)

    return read


def _formatted(cell: str, decimal_style: str, *, has_free_comma: bool) -> Number | None:
    """Read a number with thousands, a currency or many digits.

    ``has_free_comma``: the cells of the file are not separated by commas, so a comma may separate
    decimals.
    """
    money = _money(cell)
    if not money or (money[1] and money[3]) or bool(money[1] or money[3]) != bool(currency(cell)):
        return None
    digits = money[2].replace("\u2212", "-")
    decimal_sign = (
        _DECIMAL_SIGNS.get(decimal_style)
        or _DECIMAL_SIGNS.get(_proved_style(digits))
        or ("," if has_free_comma and "," in digits else ".")
    )
    # In a file separated by commas, the column or the cell must prove that a comma is decimal.
    if not decimal_style and decimal_sign == "," and not has_free_comma and "." not in digits:
        return None
    # 1.234 may be thousands; 1,234 is a decimal where the comma is free.
    if (
        not decimal_style
        and _AMBIGUOUS.fullmatch(digits)
        and (decimal_sign == "." or not has_free_comma)
    ):
        return None
    if not (decimal_style or money[1] or money[3] or decimal_sign in digits) and re.search(
        "[\\s'’]", digits
    ):
        return None  # may also be a code in groups of three
    if not _GROUPED_NUMBERS[decimal_sign].fullmatch(digits):
        return None
    ungrouped = re.sub(r"[\s'’]", "", digits).replace("," if decimal_sign == "." else ".", "")
    return exact(ungrouped.replace(",", "."))
