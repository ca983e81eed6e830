"""The people who are in an audience by what we sent, in pages and as a CSV file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from audiencesync.core.lists import Rows
from audiencesync.groups import access
from audiencesync.groups.models import AppGroup, Role
from canvases.audiences import numbers
from canvases.people_lists import lines, page
from canvases.people_lists.number import Number
from partners.audiences import sent
from partners.models import Audience

MEMBERS = "members"
COUNT_SECONDS = 0.3  # short, as each page of this list counts the members again


@dataclass(frozen=True, slots=True)
class Place:
    """An audience as the place of a number (page.Place)."""

    audience: Audience
    template: ClassVar[str] = "canvases/audiences/people.html"

    @property
    def app_group(self) -> AppGroup:
        """Return the group of the audience."""
        return self.audience.ad_account.connection.app_group

    @property
    def name(self) -> str:
        """Return the name of the audience."""
        return self.audience.name

    @property
    def key(self) -> int:
        """Return the id of the audience."""
        return self.audience.pk

    def number(self, data: QueryDict, *, is_counted: bool = True) -> Number:
        """Return the number of members. Raise Http404 for any other number."""
        if data.get("number", MEMBERS) != MEMBERS or "reason" in data:
            raise Http404
        profiles = numbers.people(self.audience)
        n = numbers.count_members(profiles, seconds=COUNT_SECONDS) if is_counted else None
        with_dates = profiles.annotate(added_at=sent.last_sent_at(self.key))
        return Number(
            MEMBERS, _("In the audience by what we sent"), n, 0, [Rows(with_dates, person="pk")]
        )

    def lines(self, rows: Sequence[lines.Row]) -> list[lines.Line]:
        """Return a line per member."""
        return lines.of_members(rows)

    def context(self, number: Number) -> dict[str, Any]:
        """Return what only this page shows."""
        counted = numbers.last_count(self.audience) if number.n is None else None
        return {"audience": self.audience, "counted": counted}


# POST is a search: its text must not stand in an address (sealed_search.py).
@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def list_people(request: HttpRequest, group: str, audience_id: int) -> HttpResponse:
    """List the members of an audience."""
    return page.answer(request, Place(_row(request, audience_id)))


@require_POST
@access.signed_in
def export(request: HttpRequest, group: str, audience_id: int) -> HttpResponseBase:
    """Download the members of an audience."""
    return page.export(request, Place(_row(request, audience_id, Role.MARKETER)))


def _row(request: HttpRequest, audience_id: int, role: Role = Role.VIEWER) -> Audience:
    row = access.get(request, Audience, role, pk=audience_id)
    if not row.remote_id:
        raise Http404
    return row
