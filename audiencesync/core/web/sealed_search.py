"""Searches for people by URLs without personal data: the text of a search is encrypted in them.

A form sends the text by POST; the answer is a redirect to the same page with ``?search=`` and the
encrypted ("sealed") text, which only the same user can open, for some hours. Links to further pages
and the back button keep it.
"""

from __future__ import annotations

import time
from typing import Any, TypeVar
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext as _

from audiencesync.core import crypto

F = TypeVar("F", bound=forms.Form)
PARAM = "search"  # of the query string: the sealed text
LIFETIME_SECONDS = 12 * 3600


class Outdated(Exception):
    """The search in the URL is too old, or another user's."""


def bind(form_class: type[F], request: HttpRequest, **kwargs: Any) -> F:
    """Return a form whose field ``q`` has what was sent, or else the search in the URL."""
    if request.method == "POST":
        return form_class(request.POST, **kwargs)
    data = request.GET.copy()
    try:
        data["q"] = _search_text(request)
    except Outdated:
        data["q"] = ""
        form = form_class(data, **kwargs)
        form.full_clean()
        form.add_error("q", _("This address of a search is no longer valid. Search again."))
        return form
    return form_class(data, **kwargs)


def address(request: HttpRequest, text: str) -> str:
    """Return the URL of a search that was sent: the page's own, with the other fields."""
    fields = {
        name: value
        for name, value in request.POST.items()
        if value and name not in ("q", PARAM, "csrfmiddlewaretoken")
    }
    if text:
        fields[PARAM] = crypto.seal(f"{int(time.time())} {text}", context=_context(request))
    return f"{request.path}?{urlencode(fields)}" if fields else request.path


def _search_text(request: HttpRequest) -> str:
    """Return the text of the search in the URL; empty without one. Raise Outdated."""
    sealed = request.GET.get(PARAM, "")
    if not sealed:
        return ""
    try:
        sealed_at, _blank, text = crypto.open_sealed(sealed, context=_context(request)).partition(
            " "
        )
    except crypto.CannotOpen:
        raise Outdated from None
    if time.time() - int(sealed_at) > LIFETIME_SECONDS:
        raise Outdated
    return text


def _context(request: HttpRequest) -> str:
    return f"search of user {request.user.pk}"
