"""The type of an audience is shown in plain words, not as the partner's API names it."""

import pytest
from django.utils import translation

from audiencesync.groups.models import User
from partners.audiences import type_of
from partners.models import AdAccount, Audience, Connection

ACCOUNT = AdAccount(connection=Connection(partner="tiktok"))


@pytest.mark.parametrize(
    ("kind", "german"),
    [
        ("Partner", "Über die API erstellt"),
        ("Customer File Audience", "Kundendatei"),
        ("App Activity Audience", "App-Aktivität"),
        ("Website Audience", "Website-Besuche"),
        ("Something new", "Something new"),
        ("", ""),
    ],
)
def test_the_type_is_shown_in_plain_words(kind, german):
    with translation.override("de"):
        assert type_of(Audience(ad_account=ACCOUNT, kind=kind)) == german


def test_the_type_of_an_audience_created_here_names_this_product():
    with translation.override("de"):
        assert (
            type_of(Audience(kind="Partner", created_by=User(pk=1))) == "Mit AudienceSync erstellt"
        )
