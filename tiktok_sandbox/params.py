"""Read parameters of API calls: return a checked value or raise 40002, naming the field."""

from collections.abc import Iterable, Mapping

import orjson

from tiktok_sandbox.wire import TikTokError

Source = Mapping[str, object]


def missing(*names: str) -> TikTokError:
    return TikTokError(40002, f"Missing required field(s): {', '.join(names)}.")


def wrong(name: str, expectation: str) -> TikTokError:
    return TikTokError(40002, f"{name}: {expectation}.")


def text(source: Source, name: str, *, longest: int | None = None) -> str:
    value = source.get(name)
    if value is None or value == "":
        raise missing(name)
    if not isinstance(value, str):
        raise wrong(name, "should be a string")
    if longest and len(value) > longest:
        raise wrong(name, f"should not exceed {longest} characters")
    return value


def digits(source: Source, name: str) -> str:
    """Return an id, given as text or number."""
    value = source.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or value == "":
        raise missing(name)
    if not is_id(value):
        raise wrong(name, "should be an integer in a string")
    return str(value)


def digits_list(source: Source, name: str, *, most: int) -> list[str]:
    """Return a non-empty list of ids. In a query string the list is JSON."""
    value = decode_list(source.get(name), name)
    if value is None:
        raise missing(name)
    if not isinstance(value, list) or not value or not all(map(is_id, value)):
        raise wrong(name, "should be a non-empty list of integers in strings")
    if len(value) > most:
        raise TikTokError(40002, f"{name}: should not hold more than {most} items.")
    return value


def choice(source: Source, name: str, choices: Iterable[str], *, default: str | None = None) -> str:
    value = source.get(name, default)
    if value is None:
        raise missing(name)
    allowed = list(choices)
    if value not in allowed:
        raise wrong(name, f"should be one of {', '.join(allowed)}")
    return str(value)


def choices(source: Source, name: str, allowed: Iterable[str]) -> list[str]:
    value = decode_list(source.get(name), name)
    if value is None:
        return []
    allowed_values = set(allowed)
    if not isinstance(value, list) or not all(
        isinstance(item, str) and item in allowed_values for item in value
    ):
        raise wrong(name, "holds an unknown value")
    return value


def boolean(source: Source, name: str) -> bool:
    value = source.get(name)
    if value is None:
        raise missing(name)
    if not isinstance(value, bool):
        raise wrong(name, "should be a boolean")
    return value


def whole(source: Source, name: str, *, default: int, least: int = 1, most: int) -> int:
    """Return a whole number from ``least`` to ``most``, given as number or text."""
    value = source.get(name, default)
    if isinstance(value, str) and is_id(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise wrong(name, f"should be an integer from {least} to {most}")
    return value


def decode_list(value: object, name: str) -> object:
    """Return the list that a text holds as JSON, as in a query string; other values unchanged."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        raise wrong(name, "should be a JSON list") from None


def is_id(value: object) -> bool:
    """Return whether this is an integer of 64 bits in a string."""
    return (
        isinstance(value, str)
        and value.isascii()
        and value.isdigit()
        and len(value) <= 19
        and int(value) < 2**63
    )
