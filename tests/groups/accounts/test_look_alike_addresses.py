"""An address with a look-alike letter of another alphabet is a different address."""

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from audiencesync.groups.models import User
from partners.connections import mailing

LOOK_ALIKES = (
    "sissı@mail.example",
    "ſissi@mail.example",
    "sissi@maıl.example",
    "SIſſI@mail.example",
)


@pytest.fixture
def sissi(db):
    return User.objects.create_user("Sissi@Mail.example", "correct horse battery")


@pytest.mark.parametrize("typed", LOOK_ALIKES)
def test_a_look_alike_gets_no_mail(sissi, typed):
    Client().post("/accounts/password/reset/", {"email": typed})
    mailing.send_due(now=timezone.now())
    assert mail.outbox == []


@pytest.mark.parametrize("typed", LOOK_ALIKES)
def test_a_look_alike_does_not_sign_in(sissi, typed):
    form = {"login": typed, "password": "correct horse battery"}
    assert Client().post("/accounts/login/", form).status_code == 200


@pytest.mark.parametrize(
    "typed", ["sissi@mail.example", "SISSI@MAIL.EXAMPLE", " Sissi@mail.example "]
)
def test_upper_and_lower_case_are_equal(sissi, typed):
    form = {"login": typed, "password": "correct horse battery"}
    assert Client().post("/accounts/login/", form).status_code == 302
    Client().post("/accounts/password/reset/", {"email": typed})
    mailing.send_due(now=timezone.now())
    assert [sent.to for sent in mail.outbox] == [["sissi@mail.example"]]
