"""One invitation used by several clients at once creates one account."""

import re

import pytest
from allauth.core import context
from django.test import Client
from django.utils import timezone

from audiencesync.groups.accounts.adapter import INVITATION
from audiencesync.groups.accounts.signup import InvitedSignupForm
from audiencesync.groups.models import Invitation, Role, User
from tests.support.threads import Threads

pytestmark = pytest.mark.thorough

PASSWORD = "correct horse battery"
N_CLIENTS = 8


@pytest.mark.django_db(transaction=True)
def test_concurrent_sign_ups_with_one_invitation_create_one_account(acme, alice, settings):
    settings.ACCOUNT_RATE_LIMITS = False
    _row, token = Invitation.issue(acme, email="dora@example.org", role=Role.VIEWER, by=alice)
    clients = [Client(raise_request_exception=False) for _n in range(N_CLIENTS)]
    answers, threads = [], Threads()
    for client in clients:
        client.post(f"/invitation/{token}/")
    for client in clients:
        threads.start(
            lambda client=client: answers.append(
                client.post("/accounts/signup/", {"password1": PASSWORD})
            )
        )
    assert threads.join() == []
    # 200: the form with an error; 410: the invitation was used before the form was read.
    assert {answer.status_code for answer in answers} - {302} <= {200, 410}
    assert sum(answer.status_code == 302 for answer in answers) == 1
    refusals = [answer.content.decode() for answer in answers if answer.status_code != 302]
    assert len(refusals) == N_CLIENTS - 1
    reason = re.compile(r"used already|already\s+registered|By invitation only")
    assert [page for page in refusals if not reason.search(page)] == []
    assert User.objects.filter(email="dora@example.org").count() == 1


def test_a_form_reports_an_invitation_that_was_used_meanwhile(acme, alice, rf):
    row, _token = Invitation.issue(acme, email="dora@example.org", role=Role.VIEWER, by=alice)
    Invitation.objects.filter(pk=row.pk).update(accepted_at=timezone.now())
    request = rf.post("/accounts/signup/")
    request.session = {INVITATION: row.pk}
    with context.request_context(request):
        form = InvitedSignupForm({"password1": PASSWORD})
        assert "used already" in str(form.errors["email"])
