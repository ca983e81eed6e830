"""An installation without a mail server says so where a mail would have gone, and to its operator."""

import pytest
from django.test import Client

from audiencesync import checks

SENTENCE = "This installation has no mail server"


@pytest.mark.django_db
@pytest.mark.parametrize(("has_mail", "n"), [(False, 1), (True, 0)])
def test_the_page_for_a_lost_password_says_that_no_mail_arrives(settings, has_mail, n):
    settings.HAS_MAIL = has_mail
    page = Client().get("/accounts/password/reset/")
    assert page.status_code == 200
    assert page.content.decode().count(SENTENCE) == n


@pytest.mark.parametrize(("has_mail", "found"), [(False, ["audiencesync.W003"]), (True, [])])
def test_the_operator_is_warned(settings, has_mail, found):
    settings.HAS_MAIL = has_mail
    assert [message.id for message in checks.mail(None)] == found


@pytest.mark.parametrize(("folder", "found"), [("", []), ("nowhere", ["audiencesync.W004"])])
def test_a_ledger_that_cannot_be_written_is_a_warning(settings, tmp_path, folder, found):
    settings.ERASURE_LEDGER = str(tmp_path / folder / "erasures.jsonl")
    assert [message.id for message in checks.ledger(None)] == found
