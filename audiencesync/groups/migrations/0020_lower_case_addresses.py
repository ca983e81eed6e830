"""Spell every address in lower case: they are compared as they are stored."""

from django.db import migrations


def lower(apps, schema_editor):
    """Spell the addresses of accounts and invitations in lower case."""
    user, invitation = apps.get_model("groups", "User"), apps.get_model("groups", "Invitation")
    for model in (user, invitation):
        for row in model.objects.only("pk", "email"):
            if row.email != row.email.lower():
                model.objects.filter(pk=row.pk).update(email=row.email.lower())
    spelled = {}
    address = apps.get_model("account", "EmailAddress")
    for row in address.objects.order_by("pk"):
        spelled.setdefault(row.email.lower(), []).append(row)
    owners = dict(user.objects.values_list("email", "pk"))
    for email, rows in spelled.items():
        if any(row.email != email for row in rows):
            _merge(address, email, rows, owner=owners.get(email))


def _merge(address, email, rows, *, owner):
    """Leave one row of each account, which has what any of them had. Only one account may have an address confirmed:
    the one that signs in by it, else the first.
    """
    by_user = {}
    for row in rows:
        by_user.setdefault(row.user_id, []).append(row)
    confirmed = [user for user, mine in by_user.items() if any(row.verified for row in mine)]
    winner = owner if owner in confirmed else next(iter(confirmed), None)
    address.objects.filter(pk__in=[row.pk for row in rows]).update(
        verified=False
    )  # no two, at no time
    for first, *others in by_user.values():
        address.objects.filter(pk__in=[row.pk for row in others]).delete()
        is_primary = any(row.primary for row in (first, *others))
        is_confirmed = first.user_id == winner
        address.objects.filter(pk=first.pk).update(
            email=email, primary=is_primary, verified=is_confirmed
        )


class Migration(migrations.Migration):
    dependencies = [
        ("groups", "0019_verb_sent_as_before"),
        ("account", "0009_emailaddress_unique_primary_email"),
    ]

    operations = [migrations.RunPython(lower, migrations.RunPython.noop)]
