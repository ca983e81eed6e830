"""The pages and the step editor speak of the partner that they are about."""

import re

import pytest
from django.urls import reverse

from audiencesync.people.models import Segment
from canvases.models import Canvas, Step
from partners.models import AdAccount, Connection
from tests.support import builder


def main(page):
    """Return the main part of a page, without navigation and other partners' tiles."""
    return page.content.decode().split("<main")[1]


def boxes(text):
    inputs = re.findall(r'<input[^>]*name="kinds"[^>]*>', text)
    return [re.search(r'value="(\w+)"', field)[1] for field in inputs]


class Editor:
    """The editor of one Audience Sync step."""

    def __init__(self, world):
        self.world = world
        segment = Segment.objects.create(app_group=world.group, name="Everybody")
        self.canvas = Canvas.objects.create(
            app_group=world.group, name="Winback", segment=segment, created_by=world.admin
        )
        self.step = Step.objects.create(canvas=self.canvas, kind="audience_sync")

    def url(self, name):
        return reverse(name, args=[self.world.group.slug, self.canvas.pk, self.step.pk])

    def page(self, tab="settings"):
        address = f"{self.canvas.get_absolute_url()}?step={self.step.pk}&tab={tab}"
        return main(self.world.client.get(address))

    def choices(self, account):
        data = {"ad_account": account.pk, "action": "add"}
        answer = self.world.client.get(
            self.url("step_choices"), data, headers={"HX-Request": "true"}
        )
        return answer.content.decode()

    def save(self, audience, kinds):
        self.step.refresh_from_db()
        data = {
            "version": self.step.version,
            "ad_account": audience.ad_account_id,
            "audience": audience.pk,
            "audience_name": audience.name,
            "action": "add",
            "kinds": kinds,
        }
        return self.world.client.post(self.url("step"), data)


@pytest.fixture
def editor(connected):
    return Editor(connected)


def test_the_partner_page_names_the_partner(connected):
    text = main(connected.client.get(connected.url("partner")))
    assert "FakeAds Audience Sync" in text
    assert "FakeAds Console" in text
    assert re.search(r'pill-good">\s*Live', text)
    assert "TikTok" not in text


def test_an_ad_account_in_another_status_is_not_shown_as_active(connected):
    AdAccount.objects.update(status="HALTED")
    text = main(connected.client.get(connected.url("partner")))
    assert re.search(r'pill-warn">\s*Halted', text)


def test_a_refused_token_is_explained_as_the_partner_explains_it(connected):
    Connection.objects.update(parked_by="token")
    text = main(connected.client.get(connected.url("partner")))
    assert "no longer accepts our access: the FakeAds user was deleted." in text


def test_a_user_without_ad_accounts_sees_the_role_that_is_needed(world):
    world.remote.ad_account = None
    answer = world.come_back()
    assert "ask for the role Editor in one" in main(answer)


def test_the_audience_page_names_the_partner_and_its_types(connected):
    audience = connected.create_audience()
    audience.created_by = None
    audience.save()
    page = connected.client.get(connected.url("audiences", audience.ad_account_id))
    text = main(page)
    assert "Reading from FakeAds" in text
    assert "First party" in text
    assert "needs 2 to 6 hours, and shows a size from about 50 on" in text
    assert "TikTok" not in text


def test_the_disconnect_page_names_the_partner(connected):
    asked = connected.create_sync(connected.create_audience())
    connected.enter(asked, connected.create_people())
    text = main(connected.client.get(connected.url("disconnect_partner")))
    assert "if FakeAds is connected again" in text
    assert "TikTok" not in text


def test_a_foreign_ad_account_is_refused_in_the_name_of_the_partner(world):
    page = world.come_back()["Location"]
    text = main(world.client.post(page, {"ad_accounts": ["4711"]}))
    assert "those of the FakeAds user" in text


def test_forms_may_lead_to_the_consent_page(connected):
    policy = connected.client.get(connected.url("partner"))["Content-Security-Policy"]
    [allowed] = [part for part in policy.split("; ") if part.startswith("form-action ")]
    assert connected.remote.url in allowed.split()


def test_the_step_editor_names_the_partner_of_the_ad_account(editor):
    audience = editor.world.create_audience()
    assert editor.save(audience, ["email"]).status_code == 302
    text = "".join(map(editor.page, ("settings", "numbers", "who")))
    assert "Only visible in FakeAds Console." in text
    assert "FakeAds never gets them in clear" in text
    assert "accepted by FakeAds" in text
    assert "from about 50 matched people, after 2 to 6 hours" in text
    assert "fewer than about 50 people" in text
    assert "TikTok" not in text


def test_the_step_editor_offers_the_fields_that_the_partner_takes(editor):
    editor.save(editor.world.create_audience(), ["email"])
    assert boxes(editor.page()) == ["email", "idfa", "gaid"]


def test_another_ad_account_changes_the_fields_that_are_offered(editor):
    theirs = editor.world.connection.ad_accounts.get()
    others = builder.add_account(builder.connect(editor.world.group))
    assert boxes(editor.choices(theirs)) == ["email", "idfa", "gaid"]
    assert boxes(editor.choices(others)) == ["email", "phone", "idfa", "gaid"]


def test_a_field_that_the_partner_does_not_take_is_refused(editor):
    audience = editor.world.create_audience()
    answer = editor.save(audience, ["email", "phone"])
    assert answer.status_code == 422
    assert "FakeAds does not take these fields: Phone." in main(answer)
    assert editor.save(audience, ["email"]).status_code == 302
