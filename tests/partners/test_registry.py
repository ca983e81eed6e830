"""Every registered partner has the whole contract; a failure names what is missing."""

import re

import pytest

from partners import registry
from partners.base import KINDS, FaqEntry, Partner
from tests.partners.fake.partner import FakePartner
from tests.site.test_structure import ROOT

PARTNERS = (*registry.PARTNERS, FakePartner("http://127.0.0.1:1"))
CONTRACT = set(Partner.__annotations__) | {name for name in vars(Partner) if name[0] != "_"}


def by_key(partner):
    return partner.key


@pytest.mark.parametrize("partner", PARTNERS, ids=by_key)
def test_a_partner_has_every_attribute_and_method(partner):
    missing = sorted(name for name in CONTRACT if not hasattr(partner, name))
    assert ", ".join(missing) == ""


@pytest.mark.parametrize("partner", PARTNERS, ids=by_key)
def test_the_key_fits_urls_and_the_database(partner):
    assert re.fullmatch("[a-z]{1,20}", partner.key)


def test_keys_are_unique():
    assert len({partner.key for partner in PARTNERS}) == len(PARTNERS)


@pytest.mark.parametrize("partner", PARTNERS, ids=by_key)
def test_the_icon_is_in_the_sprite(partner):
    assert f'<symbol id="{partner.icon}"' in (ROOT / "static/icons.svg").read_text()


@pytest.mark.parametrize("partner", PARTNERS, ids=by_key)
def test_identifiers_are_known_and_statuses_and_types_have_words(partner):
    assert partner.kinds
    assert set(partner.kinds) <= set(KINDS)
    assert partner.active_statuses <= set(partner.ad_account_statuses)
    assert partner.created_type in partner.audience_types


@pytest.mark.parametrize("partner", PARTNERS, ids=by_key)
def test_the_form_action_is_scheme_and_host_of_the_consent_page(partner):
    assert re.fullmatch(r"https?://[^/]+", partner.form_action)
    address = partner.authorize_url(state="s", redirect_uri="https://example.org/")
    assert address.startswith(partner.form_action + "/")


@pytest.mark.parametrize("partner", PARTNERS, ids=by_key)
def test_questions_name_only_words_that_are_filled_in(partner):
    words = {"partner": "P", "ads_manager": "A", "max": 1, "time": "13 hours"}
    for question in partner.faq:
        assert isinstance(question, FaqEntry)
        assert "%(" not in str(question.text) % words + str(question.answer) % words
