"""The people that an import created or updated.

The lists last as long as its members are kept: see ``KEEP_MEMBERS_DAYS``. A *number* is a figure on
the page of an import that links to the list of its people.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from audiencesync.people.models import Profile
from audiencesync.people.models.imports import Import, ImportMember

PEOPLE, CREATED, UPDATED = "people", "created", "updated"
LABELS: dict[str, Promise] = {
    PEOPLE: _("Created or updated"),
    CREATED: pgettext_lazy("people", "Created"),
    UPDATED: _("Updated"),
}
MOST_COUNTED = 100_000  # people; in a longer list, deleted people are not counted


@dataclass(frozen=True, slots=True)
class People:
    """One number of an import, with its people. ``profiles``: those that still exist."""

    name: str
    n: int
    profiles: QuerySet[Profile]

    @property
    def label(self) -> str:
        """Return what the number counts, in words."""
        return str(LABELS[self.name])

    def n_gone(self) -> int | None:
        """Return how many are no longer kept; None if there are too many to count."""
        return None if self.n > MOST_COUNTED else self.n - self.profiles.count()


def people(run: Import, name: str) -> People:
    """Return the number called ``name``, with its people. Raise KeyError for an unknown name."""
    profiles = Profile.objects.filter(app_group=run.app_group_id)
    n = {PEOPLE: run.n_people, CREATED: run.n_created, UPDATED: run.n_existing}[name]
    if name == PEOPLE:
        return People(name, n, profiles.filter(imported_by__run=run))
    is_created = name == CREATED
    return People(
        name, n, profiles.filter(imported_by__run=run, imported_by__is_created=is_created)
    )


def knows_created(run: Import) -> bool:
    """Return whether members are marked as created or updated; earlier versions did not do that."""
    members = ImportMember.objects.filter(run=run).order_by("profile_id")
    return list(members.values_list("is_created", flat=True)[:1]) != [None]
