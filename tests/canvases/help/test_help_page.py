"""The help page explains every number, reason and error, and says what to do."""

import pytest
from django.utils import translation
from lxml import html

from canvases.analytics import METRICS
from canvases.help import entries, of_canvas
from canvases.models import ExitTally, LeftBy
from canvases.reasons import Why
from partners import registry
from partners.catalogue.errors import ENTRIES as ERRORS
from partners.catalogue.incidents import ENTRIES as INCIDENTS
from partners.errors import DISCONNECTED, RejectedCause, RetryCause
from partners.health import titles, warnings
from partners.models import Outcome, Reason
from tests.partners.fake.partner import FakePartner

PARTNERS = (*registry.PARTNERS, FakePartner("http://127.0.0.1:1"))
CAUSES = {DISCONNECTED, *RejectedCause, *RetryCause}


def page_of(client, query=""):
    answer = client.get(f"/g/acme/help/{query}")
    assert answer.status_code == 200
    return html.fromstring(answer.content)


@pytest.fixture
def shown(client, vera):
    client.force_login(vera)
    return {one.get("id"): one.text_content() for one in page_of(client).xpath("//tr[@id]")}


def test_every_line_has_its_own_anchor(client, vera):
    client.force_login(vera)
    ids = page_of(client).xpath("//@id")
    assert sorted(set(ids)) == sorted(ids)


def test_every_number_reason_and_cause_has_its_line(shown):
    keys = {*METRICS, "waiting", "cancelled", *Reason.values, *CAUSES}
    keys |= {titles.help_key(code) for code in INCIDENTS}
    keys |= {f"left_{reason}" for reason in LeftBy}
    assert {f"help-{key}" for key in keys} <= set(shown)


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("partner", PARTNERS, ids=lambda one: one.key)
def test_every_entry_says_title_cause_and_remedy(partner, language):
    with translation.override(language):
        for one in (
            *entries.numbers(partner),
            *entries.reasons_of(partner),
            *entries.incidents(partner),
            *entries.errors(partner),
            *of_canvas.NUMBERS,
            *of_canvas.exits(),
        ):
            texts = [str(one.title), str(one.cause), str(one.remedy)]
            assert all(texts), one.key
            assert "%(" not in "".join(texts), one.key


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        (DISCONNECTED, "token_refused"),
        (RejectedCause.AD_ACCOUNT, "ad_account_refused"),
        (RejectedCause.AUDIENCE_GONE, "audience_gone"),
    ],
)
def test_an_answer_and_its_incident_are_explained_in_the_same_words(cause, code):
    partner = registry.default()
    [answer] = [error for error in entries.errors(partner) if error.key == cause]
    [incident] = [one for one in entries.incidents(partner) if one.key == titles.help_key(code)]
    assert (answer.cause, answer.remedy) == (incident.cause, incident.remedy)


def test_a_plural_keeps_its_words_on_the_help_page():
    [held] = [
        incident
        for incident in entries.incidents(registry.default())
        if "removals_held" in incident.key
    ]
    assert held.cause.startswith("… people left the segment of … at once.")


def test_the_catalogue_has_every_incident_and_every_error():
    assert {*ERRORS} == CAUSES
    assert {*warnings.OF_CODE, "token_refused", "audience_gone"} < {*INCIDENTS}


@pytest.mark.parametrize("reason", ["", "sealed", "disconnected", *Reason])
def test_a_reason_is_named_as_cards_show_it(reason):
    partner = registry.default()
    why = Why(Outcome.ERRORED, reason, 1, partner)
    [title] = [one.title for one in entries.reasons_of(partner) if one.key == why.help_key]
    assert title == why.text


@pytest.mark.parametrize("partner", PARTNERS, ids=lambda one: one.key)
def test_listed_codes_stand_for_the_cause_they_are_listed_under(partner):
    assert set(partner.codes) <= CAUSES
    for cause, codes in partner.codes.items():
        for code in codes:
            assert partner.error_of(code.split("–")[0]).cause == cause


@pytest.mark.parametrize(
    "code", ["40105", "40007", "51010", "99999", "no_answer", "sealed", "disconnected", ""]
)
def test_every_shown_reason_leads_to_a_line(shown, code):
    why = Why(Outcome.ERRORED, code, 1, registry.default())
    assert f"help-{why.help_key}" in shown


@pytest.mark.parametrize("code", ["", "sealed", "no_answer"])
def test_people_who_only_wait_are_explained_as_pending(shown, code):
    why = Why(Outcome.PENDING, code, 1, registry.default())
    assert (why.text, why.help_key) == ("Waiting to be sent", "pending")


def test_the_numbers_and_exits_of_a_canvas_lead_to_their_lines(client, vera, canvas, shown):
    ExitTally.objects.create(canvas=canvas, reason=LeftBy.EVENT, n=1)
    page = html.fromstring(client.get(f"/g/acme/canvases/{canvas.pk}/numbers/").content)
    keys = {
        href.split("#")[1] for href in page.xpath("//a[@class][contains(@href, '/help/#')]/@href")
    }
    assert keys == {*(f"help-{one.key}" for one in of_canvas.NUMBERS), "help-left_event"}
    assert keys <= set(shown)


def test_codes_of_the_partner_are_listed(shown):
    assert "40007" in shown["help-audience_gone"]
    assert "50000–59999" in shown["help-transient"]


def test_an_unknown_partner_shows_the_first(client, vera):
    client.force_login(vera)
    assert "TikTok" in page_of(client, "?partner=nobody").text_content()


def test_the_five_questions_of_the_specification_are_answered(client, vera):
    client.force_login(vera)
    text = page_of(client).get_element_by_id("answers").text_content()
    for part in ("no longer accepts our access", "launch my canvas", "who was matched"):
        assert part in text
    for part in ("24 to 48 hours", "400"):
        assert part in text
