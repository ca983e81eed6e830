"""CSV files: each download is an activity of the app groups whose data are in the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone, translation

from audiencesync.core import csv_files
from audiencesync.core.csv_files import Cell
from audiencesync.groups import access
from audiencesync.groups.models import Activity, AppGroup


def csv_file(
    request: HttpRequest,
    app_groups: Iterable[AppGroup],
    rows: Iterable[Sequence[Cell]],
    *,
    name: str,
    subject: str,
    kind: str,
) -> HttpResponseBase:
    """Log the download of ``subject`` and answer with the file ``<name>-<time>.csv``.

    Rows are made while the file is sent, in the language of the request.
    """
    actor = access.user(request)
    with transaction.atomic():
        for app_group in app_groups:
            Activity.log(app_group, actor, Activity.Verb.EXPORTED, subject, kind=kind)
    parts = _in_language(csv_files.stream(rows))
    return csv_files.download(parts, f"{name}-{timezone.now():%Y%m%d-%H%M}.csv")


def _in_language(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the parts, each made in the language of the request."""
    # Django resets the language when the view returns, but the parts are made while they are sent.
    language = translation.get_language()

    def translated_parts() -> Iterator[bytes]:
        while True:
            with translation.override(language):
                part = next(parts, None)
            if part is None:
                return
            yield part

    return translated_parts()
