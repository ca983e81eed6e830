"""Spell every address in lower case: they are compared as they are stored."""

from django.db import migrations


def lower(apps, schema_editor):
    """Spell the addresses of accounts in lower case; no two of them differ by case only."""
    for name in (("groups", "User"), ("account", "EmailAddress"), ("groups", "Invitation")):
        model = apps.get_model(*name)
        for row in model.objects.only("pk", "email"):
            if row.email != row.email.lower():
                model.objects.filter(pk=row.pk).update(email=row.email.lower())


class Migration(migrations.Migration):
    dependencies = [
        ("groups", "0019_verb_sent_as_before"),
        ("account", "0009_emailaddress_unique_primary_email"),
    ]

    operations = [migrations.RunPython(lower, migrations.RunPython.noop)]
