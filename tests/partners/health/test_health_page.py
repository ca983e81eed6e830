"""The page Health: open incidents worst first, history, checks; the banner says the same."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone, translation
from lxml import html

from partners.health import lines
from partners.incidents import reconcile
from partners.models import AdAccount, Audience, Batch, Connection, Incident, NoticeChoice, Push
from tests.support import builder

pytestmark = pytest.mark.django_db

URL = "/g/acme/health/"
ENDS_AT = datetime(2041, 11, 29, 1, 7, tzinfo=UTC)


@pytest.fixture
def step(acme):
    """A live Sync of a connected ad account, with a page of its own."""
    account = builder.add_account(builder.connect(acme))
    audience = Audience.objects.create(ad_account=account, remote_id="8", name="winback")
    return builder.make_sync(audience, label="Cart: winback", url="/g/acme/canvases/7/?step=9")


def page(client, **query):
    reconcile.run(now=timezone.now())
    return client.get(URL, query).content.decode()


def test_an_incident_names_people_time_and_the_link_that_cures_it(
    step, people_of, signed_in, alice
):
    builder.enter(step, people_of(3))
    Batch.objects.update(first_failed_at=timezone.now(), deadline_at=ENDS_AT)
    Audience.objects.update(gone_at=timezone.now(), parked_by="gone")
    text = page(signed_in(alice))
    assert "The audience winback no longer exists at TikTok" in text
    assert "by 29 Nov, 01:07" in text
    assert "Otherwise 3 people count as errored." in text
    assert '<a href="/g/acme/canvases/7/?step=9">Cart: winback</a>' in text
    assert 'href="/g/acme/canvases/7/?step=9#id_audience_name">Choose another audience</a>' in text


def test_the_banner_and_the_page_say_the_same(step, people_of, acme):
    builder.enter(step, people_of(3))
    Connection.objects.update(parked_by="token")
    reconcile.run(now=timezone.now())
    [line], [problem] = lines.of_group(acme), lines.banner(acme)
    assert line.problem.text == problem.text
    assert line.title in problem.text


def test_the_page_shows_no_banner_beside_its_line(step, signed_in, alice):
    Connection.objects.update(parked_by="token")
    text = html.fromstring(page(signed_in(alice))).text_content()
    assert text.count("TikTok no longer accepts our access") == 1


def test_an_incident_leads_to_its_line_on_the_help_page(step, signed_in, vera):
    Connection.objects.update(parked_by="token")
    client = signed_in(vera)
    [link] = html.fromstring(page(client)).xpath("//a[contains(@class, 'help-mark')]/@href")
    path, _, anchor = link.partition("#")
    assert html.fromstring(client.get(path).content).get_element_by_id(anchor) is not None


def test_a_mended_trouble_is_not_shown_before_its_row_is_ended(step, acme):
    Connection.objects.update(parked_by="token")
    reconcile.run(now=timezone.now())
    Connection.objects.update(parked_by="")
    assert lines.of_group(acme) == []
    assert lines.banner(acme) == []


def test_the_worst_comes_first(step, people_of, acme):
    cold = Audience.objects.create(ad_account=AdAccount.objects.get(), remote_id="9", name="cold")
    builder.make_sync(cold)
    builder.enter(step, people_of(3))
    Audience.objects.update(gone_at=timezone.now())
    reconcile.run(now=timezone.now())
    health_lines = lines.of_group(acme)
    assert [line.incident.audience.name for line in health_lines] == ["winback", "cold"]


def test_only_an_admin_gets_the_button_of_a_connection(step, signed_in, alice, bob):
    Connection.objects.update(parked_by="token")
    assert "Reconnect TikTok</a>" in page(signed_in(alice))
    text = page(signed_in(bob))
    assert "Reconnect TikTok</a>" not in text
    assert "An admin of this app group can do that." in text


def test_the_history_is_paged_by_key(acme, step, signed_in, vera):
    begun = timezone.now() - timedelta(hours=2)
    rows = [
        Incident(
            app_group=acme,
            audience=step.audience,
            code="audience_gone",
            begun_at=begun,
            ended_at=begun + timedelta(hours=1),
            most_people=n,
        )
        for n in range(lines.PER_PAGE + 1)
    ]
    rows = Incident.objects.bulk_create(rows)
    client = signed_in(vera)
    first = page(client)
    assert "after 1\xa0hour" in first
    assert f"?before={rows[1].pk}" in first
    second = page(client, before=rows[1].pk)
    assert second.count("no longer exists at TikTok") == 1
    assert f"?after={rows[0].pk}" in second
    assert page(client, before="x" * 40).count("no longer exists") == lines.PER_PAGE


def test_the_checks_name_answer_and_time(step, signed_in, vera):
    at = timezone.now()
    Connection.objects.update(checked_at=at, scopes=["1"], connected_at=at)
    AdAccount.objects.update(refreshed_at=at)
    Push.objects.create(
        ad_account=AdAccount.objects.get(), action="add", people=1, ids=1, at=at, ms=5, code="40118"
    )
    text = page(signed_in(vera))
    assert "Access to TikTok" in text
    assert "missing: Audience Management" in text
    assert "all 1 exist" not in text
    assert "1 exists" in text
    assert "Last request for Acme EU" in text


def test_a_quiet_group_says_so(acme, signed_in, vera):
    text = page(signed_in(vera))
    assert "Nothing needs attention" in text
    assert "No partner is connected yet." in text


@pytest.mark.parametrize(("keep", "words"), [(365.0, "here for 365 days."), (0.0, "listed here. ")])
def test_the_history_says_how_long_it_is_kept(acme, signed_in, vera, settings, keep, words):
    settings.KEEP_DAYS = settings.KEEP_DAYS | {"incidents": keep}
    assert words in page(signed_in(vera))


def test_the_page_costs_the_same_for_many_incidents(
    step, signed_in, vera, django_assert_max_num_queries
):
    client, account = signed_in(vera), AdAccount.objects.get()
    Audience.objects.bulk_create(
        Audience(ad_account=account, remote_id=f"r{n}", name=f"a{n}", gone_at=timezone.now())
        for n in range(30)
    )
    for audience in Audience.objects.exclude(pk=step.audience_id):
        builder.make_sync(audience)
    reconcile.run(now=timezone.now())
    with django_assert_max_num_queries(16):
        assert client.get(URL).content.decode().count("data-incident") == 30


def test_the_page_names_who_is_notified_and_says_if_nobody_is(step, signed_in, alice, vera):
    text = page(signed_in(vera))
    assert "alice@example.org" in text
    assert "No one would receive this." not in text
    NoticeChoice.objects.create(
        membership=alice.memberships.get(), connections="none", steps="none"
    )
    text = page(signed_in(vera))
    assert text.count("No one would receive this.") == 2
    assert '<a href="/g/acme/canvases/7/?step=9">Cart: winback</a>' in text


def test_a_stranger_gets_404(acme, signed_in, charlie):
    assert signed_in(charlie).get(URL).status_code == 404


def test_the_page_is_german_for_a_german(step, signed_in, vera):
    Connection.objects.update(parked_by="token")
    reconcile.run(now=timezone.now())
    with translation.override("en"):  # the request leaves its language behind
        text = signed_in(vera).get(URL, headers={"accept-language": "de"}).content.decode()
    assert "Handlungsbedarf" in text
    assert "TikTok akzeptiert unseren Zugriff nicht mehr" in text
