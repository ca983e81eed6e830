"""Typed reading of environment variables.

An error names the variable, not its value: it may be a secret.
"""

import logging
import math
import os
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

DAY_SECONDS = 86_400.0
MIN_PERIOD, MAX_CALLS = 0.1, 1_000_000_000  # of a rate limit: seconds, calls in a period
MAX_KEPT_DAYS = 36_500
YES = frozenset({"1", "true", "yes", "y", "on", "ok"})
NO = frozenset({"", "0", "false", "no", "n", "off"})


class Environment(environ.Env):
    """Readers for our settings, one per type; ``least`` and ``most`` are the bounds of a number."""

    def get_value(self, var: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the value of a variable in its type. Raises ImproperlyConfigured."""
        text = self.ENVIRON.get(var, "")
        try:
            # environ takes "$NAME" for the name of another variable, but it may be a password.
            if text.startswith("$"):
                return self.parse_value(text, args[0] if args else kwargs.get("cast"))
            return super().get_value(var, *args, **kwargs)
        except (ValueError, TypeError) as error:
            raise ImproperlyConfigured(
                f"{var} is not what it must be (docs/settings.md)."
            ) from error

    def flag(self, var: str, default: bool) -> bool:
        """Return a boolean.

        Raises ImproperlyConfigured for any other word instead of reading it as no.
        """
        word = self.str(var, "1" if default else "0").strip().lower()
        if word not in YES | NO:
            raise ImproperlyConfigured(f"{var} must be 1 or 0.")
        return word in YES

    def whole(self, var: str, default: int, *, least: int, most: int) -> int:
        """Return a whole number within bounds. Raises ImproperlyConfigured."""
        text = self.str(var, str(default)).strip()
        if not (
            text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most
        ):
            raise ImproperlyConfigured(f"{var} must be a whole number from {least} to {most}.")
        return int(text)

    def amount(self, var: str, default: float, *, least: float, most: float) -> float:
        """Return a number within bounds, decimals allowed. Raises ImproperlyConfigured."""
        try:
            number = ascii_float(self.str(var, str(default)))
        except ValueError:
            number = math.nan
        if not least <= number <= most:  # refuses NaN, too
            raise ImproperlyConfigured(f"{var} must be a number from {least:g} to {most:g}.")
        return number

    def days(self, var: str, default: float) -> float:
        """Return how many days something is kept, 0 for ever. Raises ImproperlyConfigured."""
        number = self.amount(var, default, least=0, most=MAX_KEPT_DAYS)
        if 0 < number < 1:  # a typing error must not empty a table
            raise ImproperlyConfigured(f"{var} must be 0 (for ever), or at least 1.")
        return number

    def place(self, var: str, default: Path) -> Path:
        """Return the absolute path of a file or folder. Raises ImproperlyConfigured.

        It is not named ``path``, because environ.Env has a method of that name.
        """
        text = self.str(var, str(default))
        if not text.strip() or not text.isprintable():
            raise ImproperlyConfigured(f"{var} must be a path.")
        return Path(text).absolute()

    def level(self, var: str, default: str) -> str:
        """Return the name of a log level. Raises ImproperlyConfigured."""
        name: str = self.str(var, default).strip().upper()
        if name not in logging.getLevelNamesMapping():
            raise ImproperlyConfigured(f"{var} must be DEBUG, INFO, WARNING, ERROR or CRITICAL.")
        return name

    def token(self, var: str, *, least: int) -> str:
        """Return a secret that is sent in a header, or an empty text.

        Raises ImproperlyConfigured.
        """
        text: str = self.str(var, "")
        if text and not (
            len(text) >= least and text.isascii() and text.isprintable() and " " not in text
        ):
            raise ImproperlyConfigured(
                f"{var} must be at least {least} letters, digits and signs without blanks."
            )
        return text

    def choice(self, var: str, default: str, *, among: tuple[str, ...]) -> str:
        """Return one of the words ``among``. Raises ImproperlyConfigured."""
        word: str = self.str(var, default).strip()
        if word not in among:
            raise ImproperlyConfigured(f"{var} must be {' or '.join(among)}.")
        return word


def ascii_float(text: str) -> float:
    """Return a text as a number, without underscores or digits of other scripts.

    Raises ValueError.
    """
    return float(text if text.isascii() and "_" not in text else "nan")


def require_shorter(variable: str, seconds: float, *, than: str, limit: float) -> None:
    """Raise ImproperlyConfigured unless one time is shorter than another."""
    if not seconds < limit:
        raise ImproperlyConfigured(
            f"{variable} ({seconds:g}) must be shorter than {than} ({limit:g})."
        )


def rate_limit(variable: str, text: str) -> tuple[int, float]:
    """Parse "3000/3" as (calls, seconds). Raises ImproperlyConfigured."""
    calls, _sign, seconds = text.partition("/")
    try:
        n, period = ascii_float(calls), ascii_float(seconds)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{variable} must look like track=3000/3,export=250/60."
        ) from error
    if not (n.is_integer() and 1 <= n <= MAX_CALLS and MIN_PERIOD <= period <= DAY_SECONDS):
        raise ImproperlyConfigured(
            f"{variable} needs at least 1 call and at most {MAX_CALLS}, "
            f"in {MIN_PERIOD} to 86400 seconds."
        )
    return int(n), period


def rate_limits(
    variable: str, given: dict[str, str], *, defaults: dict[str, str]
) -> dict[str, tuple[int, float]]:
    """Return every rate limit by its name: ``defaults`` updated by ``given``.

    Raises ImproperlyConfigured.
    """
    if unknown := sorted(given.keys() - defaults.keys()):
        raise ImproperlyConfigured(f"{variable} knows {', '.join(defaults)}, not {unknown[0]}.")
    return {name: rate_limit(variable, text) for name, text in (defaults | given).items()}


def make_folder(folder: Path) -> None:
    """Create VAR_DIR with access for its owner only. Raises ImproperlyConfigured."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"VAR_DIR {folder} cannot be made: {error.strerror}.") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ImproperlyConfigured(f"VAR_DIR {folder} cannot be written by this user.")
