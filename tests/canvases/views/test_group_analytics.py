"""The table of one group: for every member, only this group, with totals of the filter."""

import re

import pytest

from canvases.views import analytics
from tests.canvases.views.test_staff_analytics import make_step

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.thorough,
    pytest.mark.usefixtures("amid_an_hour"),
]
URL = "/g/acme/analytics/"
CSV = f"{URL}?format=csv"


def test_viewers_read_the_numbers_of_their_own_group(signed_in, vera, acme, other_group, winback):
    make_step(acme, winback, canvas="Mine", synced=12_345, pending=5)
    make_step(other_group, winback, canvas="Theirs", synced=7)

    page = signed_in(vera).get(URL).content.decode()

    assert "Mine" in page
    assert "Theirs" not in page
    assert re.search(r'data-metric="synced">\s*<a [^>]*number=synced">12,345</a>', page)
    assert b"Theirs" not in signed_in(vera).get(CSV).getvalue()


def test_the_group_in_the_query_is_ignored(signed_in, vera, acme, other_group, winback):
    make_step(other_group, winback, canvas="Theirs", synced=7)

    assert "Theirs" not in signed_in(vera).get(URL, {"group": "umbrella"}).content.decode()


def test_rows_link_to_the_step(signed_in, vera, acme, winback):
    step = make_step(acme, winback, canvas="Mine", synced=1)

    assert (
        f'href="{step.canvas.get_absolute_url()}?step={step.pk}"'
        in signed_in(vera).get(URL).content.decode()
    )


def test_staff_get_no_links_to_groups_without_a_membership(
    signed_in, charlie, acme, other_group, winback
):
    charlie.is_staff = True
    charlie.save()
    foreign = make_step(acme, winback, canvas="Foreign", synced=1)
    own_step = make_step(other_group, winback, canvas="Own", synced=1)

    page = signed_in(charlie).get("/analytics/").content.decode()

    assert "Foreign" in page
    assert foreign.canvas.get_absolute_url() not in page
    assert own_step.canvas.get_absolute_url() in page


def test_totals_cover_the_filter_and_not_only_the_page(signed_in, vera, acme, winback, monkeypatch):
    monkeypatch.setattr(analytics, "PAGE", 1)
    make_step(acme, winback, canvas="One", synced=1_000, errored=10)
    make_step(acme, winback, canvas="Two", synced=500)
    make_step(acme, winback, canvas="Out", state="stopped", synced=1)

    page = signed_in(vera).get(URL, {"state": "live"}).content.decode()

    assert 'data-total="synced">1,500<' in page
    assert 'data-total="errored">10<' in page
    assert page.count('data-metric="synced"') == 1


def test_the_group_table_has_a_constant_number_of_queries(
    signed_in, vera, acme, winback, django_assert_max_num_queries
):
    client = signed_in(vera)

    def queries():
        with django_assert_max_num_queries(30) as caught:
            client.get(URL)
        return len(caught)

    make_step(acme, winback, synced=1)
    one = queries()
    for n in range(20):
        make_step(acme, winback, canvas=str(n), synced=1)

    assert queries() == one
