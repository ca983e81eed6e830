"""The migration to lower-case addresses merges rows that differ only by case."""

import importlib

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.db import connection

from audiencesync.groups.models import Invitation, Role, User

migration = importlib.import_module("audiencesync.groups.migrations.0020_lower_case_addresses")


def migrate():
    migration.lower(apps, None)
    connection.check_constraints()
    return set(EmailAddress.objects.values_list("user", "email", "verified", "primary"))


def add(user, email, *, verified=False, primary=False):
    EmailAddress.objects.bulk_create(
        [EmailAddress(user=user, email=email, verified=verified, primary=primary)]
    )


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"verified": True, "primary": True}, {}),
        ({"primary": True}, {"verified": True}),
        ({"verified": True}, {"verified": True, "primary": True}),
        ({}, {}),
    ],
)
def test_two_rows_of_one_account_are_merged(alice, first, second, order):
    alice.emailaddress_set.all().delete()
    User.objects.filter(pk=alice.pk).update(email="Alice@Example.org")
    rows = [("Alice@Example.org", first), ("alice@example.org", second)]
    for email, flags in rows[::order]:
        add(alice, email, **flags)

    either = {**first, **second}
    expected = (
        alice.pk,
        "alice@example.org",
        either.get("verified", False),
        either.get("primary", False),
    )
    assert migrate() == {expected}
    alice.refresh_from_db()
    assert alice.email == "alice@example.org"


@pytest.mark.parametrize("order", [1, -1])
def test_an_address_verified_by_two_accounts_stays_with_the_one_signing_in_with_it(
    acme, alice, bob, order
):
    EmailAddress.objects.all().delete()
    User.objects.filter(pk=alice.pk).update(email="Alice@example.org")
    rows = [(alice, "Alice@example.org"), (bob, "ALICE@example.org")]
    for user, email in rows[::order]:
        add(user, email, verified=True, primary=user == alice)

    assert migrate() == {
        (alice.pk, "alice@example.org", True, True),
        (bob.pk, "alice@example.org", False, False),
    }


def test_other_addresses_and_invitations_are_lower_cased(acme, alice, bob):
    EmailAddress.objects.all().delete()
    add(alice, "Alice@Example.org", verified=True, primary=True)
    add(bob, "bob@example.org", verified=True, primary=True)
    add(bob, "Bob@new.example.org")
    Invitation.issue(acme, email="x@example.org", role=Role.VIEWER, by=alice)
    Invitation.objects.update(email="Dora@Example.org")

    assert migrate() == {
        (alice.pk, "alice@example.org", True, True),
        (bob.pk, "bob@example.org", True, True),
        (bob.pk, "bob@new.example.org", False, False),
    }
    assert Invitation.objects.get().email == "dora@example.org"
