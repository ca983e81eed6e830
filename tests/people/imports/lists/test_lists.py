"""Each number of an import is a link to a list as long as it says."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from audiencesync.groups.models import Activity
from audiencesync.people.imports import lifecycle
from audiencesync.people.imports.lists import views
from audiencesync.people.models import Profile
from audiencesync.people.models.imports import ImportMember
from tests.support.import_pages import URL

pytestmark = pytest.mark.thorough
LINK = re.compile(r'href="([^"]*\?number=[^"]*)"[^>]*>\s*([\d.,]+)')
FILE = (
    "external_id,email,phone,birthday\n"
    + "".join(f"c-{n},p{n}@example.org,,1990-01-01\n" for n in range(5))
    + "c-1,p1@example.org,,\n"  # repeated
    + "old-1,o1@example.org,12,1990-13-77\n"  # an unusable phone, an unreadable day
    + "old-2,,12,1990-01-01\n"
    + ",nobody@example.org,,1990-01-01\n" * 4  # rejected
)


@pytest.fixture(params=["fast", "slow"])
def run(import_pages, make_profile, acme, request):
    """An import with every kind of row; "slow": by the statements that SQLite uses."""
    if request.param == "slow":
        acme.consent_attribute = "newsletter"
        acme.save()
    for n in (1, 2):
        make_profile(external_id=f"old-{n}")
    return import_pages.run_to_end(FILE, target_3="day")


def listed(client, address, *, rows):
    """Read all pages of a list; return how long it is."""
    n, page = 0, ""
    while page is not None:
        answer = client.get(address + page)
        assert answer.status_code == 200, address
        context_page = answer.context["page"]
        assert len(context_page.rows) == answer.content.decode().count(rows)
        n, page = (
            n + len(context_page.rows),
            f"&before={context_page.older}" if context_page.older else None,
        )
    return n


def test_every_list_is_as_long_as_its_number(run, import_pages, monkeypatch):
    monkeypatch.setattr(views, "PAGE", 2)
    page = import_pages.client.get(f"{URL}{run.pk}/").content.decode()
    table = import_pages.client.get(URL).content.decode()
    counts = {unescape(url): int(n) for url, n in LINK.findall(page + table)}
    names = {address.split("=")[1]: n for address, n in counts.items()}

    assert names == {
        "created": 5,
        "updated": 2,
        "people": 7,
        "rejected": 4,
        "unusable_phone": 2,
        "left_out_3": 1,
    }
    assert f'data-number="repeated">{run.n_rows - 7 - 4}<' in page
    for address, n in counts.items():
        rows = "<tr data-row>" if "/rows/" in address else "<tr data-person>"
        assert listed(import_pages.client, address, rows=rows) == n, address


def test_pages_of_rows_lead_back(run, import_pages, monkeypatch):
    monkeypatch.setattr(views, "PAGE", 1)
    url = f"{URL}{run.pk}/rows/?number=rejected"
    first = import_pages.client.get(url)
    second = import_pages.client.get(f"{url}&before={first.context['page'].older}")
    back = import_pages.client.get(f"{url}&after={second.context['page'].newer}")

    assert [row.reject.line for row in first.context["page"].rows] == [10]
    assert [row.reject.line for row in second.context["page"].rows] == [11]
    assert back.context["page"] == first.context["page"]
    assert "The cell that people are found by is empty." in first.content.decode()


def test_a_list_is_searched_without_an_address_in_the_url(run, import_pages):
    url = f"{URL}{run.pk}/people/"
    sent = {"number": "created", "q": "p3@example.org"}
    answer = import_pages.client.post(f"{url}?number=created", sent, follow=True)

    assert [person.external_id for person in answer.context["people"]] == ["c-3"]
    assert "example" not in answer.redirect_chain[0][0]


def test_the_people_of_a_number_are_downloaded(run, import_pages, bob):
    answer = import_pages.client.post(f"{URL}{run.pk}/people/export/", {"number": "updated"})
    text = answer.getvalue().decode()

    assert "old-1" in text
    assert "c-1" not in text
    assert Activity.objects.filter(verb="exported", kind="import", subject=run.file_name).exists()


@pytest.mark.parametrize(("number", "n"), [("unusable_phone", 2), ("left_out_3", 1), ("", 7)])
def test_the_file_of_a_number_has_its_rows(run, import_pages, number, n):
    page = import_pages.client.get(f"{URL}{run.pk}/rows/?number={number or 'rejected'}")
    file = import_pages.client.post(f"{URL}{run.pk}/rejects/", {"number": number})

    assert f'name="number" value="{number or "rejected"}"' in page.content.decode()
    assert len(file.getvalue().splitlines()) == 1 + n


def test_erased_and_merged_people_are_counted_as_no_longer_kept(run, import_pages, acme):
    Profile.objects.get(external_id="c-1").delete()
    answer = import_pages.client.get(f"{URL}{run.pk}/people/?number=created")
    assert (len(answer.context["people"]), answer.context["gone"]) == (4, 1)
    assert "1 of them is no longer kept" in answer.content.decode()


def test_an_import_of_an_earlier_version_lists_no_created_people(run, import_pages):
    ImportMember.objects.update(is_created=None)
    pages = [
        import_pages.client.get(f"{URL}{run.pk}/people/?number={name}")
        for name in ("created", "people")
    ]

    assert [len(page.context["people"]) for page in pages] == [0, 7]
    assert ["not noted" in page.content.decode() for page in pages] == [True, False]
    assert not any("no longer kept" in page.content.decode() for page in pages)


def test_after_the_retention_time_nothing_is_listed(run, import_pages):
    type(run).objects.update(ended_at=timezone.now() - timedelta(days=365))
    lifecycle.tidy()
    people = import_pages.client.get(f"{URL}{run.pk}/people/?number=people")
    rows = import_pages.client.get(f"{URL}{run.pk}/rows/?number=rejected").content.decode()

    assert (people.context["people"], people.context["gone"]) == ([], 7)
    assert "These rows are no longer kept." in rows


@pytest.mark.parametrize("page", ["people/?number=x", "rows/?number=left_out_9", "rows/?number="])
def test_an_unknown_number_is_not_found(run, import_pages, page):
    assert import_pages.client.get(f"{URL}{run.pk}/{page}").status_code == 404
    assert import_pages.client.post(f"{URL}{run.pk}/rejects/", {"number": "x"}).status_code == 404


@pytest.mark.parametrize("place", ["before=0-1", "after=7-1-1", "before=0-1-1-1", "after=%00"])
def test_an_odd_place_shows_a_page(run, import_pages, place):
    for page in ("people", "rows"):
        assert import_pages.client.get(f"{URL}{run.pk}/{page}/?{place}").status_code == 200


def test_viewers_do_not_read_imports(run, vera, signed_in):
    for page in ("people", "rows"):
        assert signed_in(vera).get(f"{URL}{run.pk}/{page}/").status_code == 403


def test_the_lists_need_no_more_queries_for_more_people(
    run, import_pages, monkeypatch, django_assert_max_num_queries
):
    for page in (f"{run.pk}/people/?number=people", f"{run.pk}/rows/"):
        import_pages.client.get(URL + page)
        with django_assert_max_num_queries(14):
            import_pages.client.get(URL + page)
