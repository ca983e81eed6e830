"""The list of profiles, and what this app shows of one. Viewers see personal data masked."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audiencesync.core import chunks
from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.core.web import sealed_search, sent_numbers
from audiencesync.groups import access
from audiencesync.groups.models import Activity, AppGroup, Role
from audiencesync.people import masking
from audiencesync.people.api import person_reference
from audiencesync.people.identifiers import normalise
from audiencesync.people.models import Profile, UserAlias
from audiencesync.people.segments import catalogue
from audiencesync.people.segments.attribute_sql import AttributeText, contains, starts_with
from audiencesync.people.segments.forms import ProfileSearch

PAGE = 50
MOST_SHOWN = 20  # events and aliases on the page of one person
MOST_COUNTED = 10_000  # a larger result is not counted to its end
SEARCH_SECONDS = 5.0
SHORTEST_WORD, MOST_WORDS = 2, 5


@dataclass(frozen=True, slots=True)
class ProfilesPage:
    """One page of the list, newest first. ``older``, ``newer``: ids to continue from, or empty."""

    profiles: list[Profile]
    older: str
    newer: str


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def profiles(request: HttpRequest, group: str) -> HttpResponse:
    """List all profiles, or the results of a search. Access to unmasked data is logged."""
    app_group = access.group(request)
    form = sealed_search.bind(ProfileSearch, request)
    if request.method == "POST" and form.is_valid():
        return redirect(sealed_search.address(request, form.cleaned_data["q"]))
    all_profiles = access.all_of(request, Profile)
    masked = not access.membership(request).may(Role.MARKETER)
    results = all_profiles.none()
    if form.is_valid():
        results = search(all_profiles, form.cleaned_data["q"], app_group, masked=masked)
    try:
        with at_most(SEARCH_SECONDS):
            older_than, newer_than = _id(request, "before"), _id(request, "after")
            page = _page(results, older_than=older_than, newer_than=newer_than)
            n = _count_up_to_limit(results)
    except TooSlow:
        form.add_error(
            "q", _("The search took too long and was stopped. Search by a whole ID or address.")
        )
        page, n = ProfilesPage([], "", ""), 0
    if page.profiles and not masked:
        Activity.log_view(
            app_group,
            access.user(request),
            _("Profiles"),
            kind=Activity.Kind.PEOPLE,
            now=timezone.now(),
        )
    people = [masking.person(profile, masked=masked) for profile in page.profiles]
    context = {
        "form": form,
        "people": people,
        "page": page,
        "n": min(n, MOST_COUNTED),
        "is_more": n > MOST_COUNTED,
        "has_names": any(person.name for person in people),
        "is_masked": masked,
        "is_search": bool(form["q"].value()),
    }
    return render(request, "people/profiles.html", context, status=200 if form.is_valid() else 422)


def _count_up_to_limit(results: QuerySet[Profile]) -> int:
    """Count the results, up to one more than MOST_COUNTED."""
    return results.order_by()[: MOST_COUNTED + 1].count()


def facts(row: Profile, *, masked: bool) -> dict[str, object]:
    """Return the data of a profile for its page; canvases/ adds visits and deliveries."""
    events = row.events.order_by("-at", "-pk")[: MOST_SHOWN + 1]
    return {
        "profile": row,
        "external_id": masking.external_id(row, masked=masked),
        "identifiers": masking.identifiers(row, masked=masked),
        "attributes": masking.attributes(row, masked=masked),
        "consent": masking.consent(row),
        "tracking": masking.tracking(row),
        "n_past": row.past_identifiers.count(),
        "aliases": [] if masked else row.aliases.order_by("label", "name")[:MOST_SHOWN],
        "events": [masking.event(event, masked=masked) for event in events][:MOST_SHOWN],
        "has_more_events": len(events) > MOST_SHOWN,
        "is_masked": masked,
    }


def search(
    everybody: QuerySet[Profile], text: str, app_group: AppGroup, *, masked: bool
) -> QuerySet[Profile]:
    """Search by the start of the external id, or by a whole other identifier.

    Viewers cannot search for parts of an e-mail or name, which would reveal the whole bit by bit.
    """
    if not text:
        return everybody
    query = Q(starts_with(F("external_id"), text))
    if masked:
        query &= Q(external_id__regex=masking.SHOWN_ID) | Q(external_id__regex=masking.UUID)
    else:
        query |= _parts_q(text, app_group)
    return everybody.filter(query | whole_identifier_q(text, app_group))


def whole_identifier_q(text: str, app_group: AppGroup) -> Q:
    """Match profiles of a group by this whole identifier. The query uses only indexes."""
    query = Q(external_id=text) | Q(pk__in=_ids_by_id_or_alias(text, app_group))
    for kind in ("email", "phone"):
        normalised = normalise.normalise(kind, text, region=app_group.phone_region)
        if normalised.sha256 is not None:
            query |= Q(**{f"{kind}_sha256": normalised.sha256})
    return query


def _parts_q(text: str, app_group: AppGroup) -> Q:
    """Match profiles with each word in the e-mail or a name; not for viewers, see `search`."""
    words = text.split()[:MOST_WORDS]
    if any(len(word) < SHORTEST_WORD for word in words):
        return Q(pk__in=[])
    names = [name for name in catalogue.types(app_group) or {} if masking.holds_person_name(name)][
        :MOST_WORDS
    ]
    query = Q()
    for word in words:
        word_q = Q(contains(F("email"), word))
        for name in names:
            word_q |= Q(contains(AttributeText(name), word))
        query &= word_q
    return query


def _ids_by_id_or_alias(text: str, app_group: AppGroup) -> list[int]:
    """Return ids of profiles by id or alias.

    It is a list, because with a subquery the database would read all profiles.
    """
    aliases = UserAlias.objects.filter(app_group=app_group, name=text)
    ids = list(aliases.values_list("profile", flat=True)[:PAGE])
    if person_reference.BRAZE_ID.fullmatch(text.lower()) and int(text, 16) <= sent_numbers.MAX_ID:
        ids.append(int(text, 16))
    return ids


def _page(
    results: QuerySet[Profile], *, older_than: int | None, newer_than: int | None
) -> ProfilesPage:
    """Return one page by keyset pagination: the thousandth costs no more than the first."""
    page = chunks.page(
        results,
        PAGE,
        older_than=None if older_than is None else (older_than,),
        newer_than=None if newer_than is None else (newer_than,),
    )
    rows = page.rows
    return ProfilesPage(
        profiles=rows,
        older=str(rows[-1].pk) if rows and page.has_older else "",
        newer=str(rows[0].pk) if rows and page.has_newer else "",
    )


def _id(request: HttpRequest, name: str) -> int | None:
    """Return an id from the query string; None if there is no valid one."""
    return sent_numbers.whole(request.GET.get(name))
