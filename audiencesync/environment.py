"""The environment that settings are read from; what cannot be read is named, without its value: it may be a secret."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured


class Environment(environ.Env):
    """Every variable is read through `get_value`."""

    def get_value(self, var: Any, *args: Any, **kwargs: Any) -> Any:
        """The value of a variable in its type. Raises ImproperlyConfigured."""
        try:
            return super().get_value(var, *args, **kwargs)
        except (ValueError, TypeError) as error:
            raise ImproperlyConfigured(f"{var} is not what it must be (docs/settings.md).") from error


def address(variable: str, url: str, *, schemes: tuple[str, ...], example: str) -> str:
    """``url`` if it is empty or looks like ``example``. Raises ImproperlyConfigured."""
    if url and (urlsplit(url).scheme not in schemes or "://" not in url):
        raise ImproperlyConfigured(f"{variable} must look like {example}.")
    return url


def limit(variable: str, text: str) -> tuple[int, float]:
    """Calls and seconds of "3000/3" in numbers. Raises ImproperlyConfigured."""
    calls, _sign, seconds = text.partition("/")
    try:
        return int(calls), float(seconds)
    except ValueError as error:
        raise ImproperlyConfigured(f"{variable} must look like track=3000/3,export=250/60.") from error


def make_folder(folder: Path) -> None:
    """VAR_DIR, for its owner only. Raises ImproperlyConfigured."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"VAR_DIR {folder} cannot be made: {error.strerror}.") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ImproperlyConfigured(f"VAR_DIR {folder} cannot be written by this user.")
