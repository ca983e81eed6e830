"""An installation without a mail server warns its users and its operator."""

import pytest
from django.test import Client

from audiencesync.core import checks
from audiencesync.groups.accounts import invitations

SENTENCE = "This installation has no mail server"


@pytest.mark.django_db
@pytest.mark.parametrize(("has_mail", "n"), [(False, 1), (True, 0)])
def test_the_password_reset_page_warns_without_mail(settings, has_mail, n):
    settings.HAS_MAIL = has_mail
    page = Client().get("/accounts/password/reset/")
    assert page.status_code == 200
    assert page.content.decode().count(SENTENCE) == n


@pytest.mark.parametrize(("has_mail", "found"), [(False, ["audiencesync.W003"]), (True, [])])
def test_the_operator_is_warned_without_mail(settings, has_mail, found):
    settings.HAS_MAIL = has_mail
    assert [message.id for message in checks.mail(None)] == found


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("EMAIL_BACKEND", "nonsense", "E015"),
        ("EMAIL_BACKEND", "", "E015"),
        ("EMAIL_BACKEND", "django.core.mail.backends.nowhere.EmailBackend", "E015"),
        ("STORAGES", {"staticfiles": {"BACKEND": "nonsense"}}, "E016"),
        ("DEFAULT_FROM_EMAIL", "", "E017"),
        ("DEFAULT_FROM_EMAIL", "nonsense", "E017"),
        ("DEFAULT_FROM_EMAIL", "Sync <a@example.org>\nBcc: b@example.org", "E017"),
    ],
)
def test_an_unusable_backend_prevents_the_start(settings, name, value, found):
    assert checks.backends(None) == []
    setattr(settings, name, value)
    assert [message.id for message in checks.backends(None)] == [f"audiencesync.{found}"]


def test_a_ledger_that_is_a_folder_prevents_the_start(settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path)
    assert [message.id for message in checks.ledger(None)] == ["audiencesync.E018"]


@pytest.mark.django_db
def test_a_failed_invitation_mail_is_reported_without_an_error(settings, alice, acme):
    settings.EMAIL_BACKEND = "nonsense"
    invitation, _token = invitations.invite(acme, email="eve@example.org", role="viewer", by=alice)
    assert invitations.mail(invitation, "https://sync.example.org/x") is False


@pytest.mark.parametrize(("folder", "found"), [("", []), ("nowhere", ["audiencesync.W004"])])
def test_an_unwritable_ledger_is_a_warning(settings, tmp_path, folder, found):
    settings.ERASURE_LEDGER = str(tmp_path / folder / "erasures.jsonl")
    assert [message.id for message in checks.ledger(None)] == found
