"""Second factors lay in clear in the database: sealed with TOKEN_KEYS from now on."""

from django.db import migrations

from audiencesync.core import crypto

CONTEXT = "second-factor"  # groups/second_factor.py


def seal(apps, schema_editor):
    for row in (
        apps.get_model("mfa", "Authenticator").objects.order_by("pk").iterator(chunk_size=500)
    ):
        clear = {name: row.data[name] for name in ("secret", "seed") if name in row.data}
        if sealed := {
            name: crypto.seal(text, context=CONTEXT)
            for name, text in clear.items()
            if "." not in text
        }:
            row.data |= sealed
            row.save(update_fields=["data"])


def open_again(apps, schema_editor):
    for row in (
        apps.get_model("mfa", "Authenticator").objects.order_by("pk").iterator(chunk_size=500)
    ):
        sealed = {name: row.data[name] for name in ("secret", "seed") if name in row.data}
        row.data |= {
            name: crypto.open_sealed(text, context=CONTEXT)
            for name, text in sealed.items()
            if "." in text
        }
        row.save(update_fields=["data"])


class Migration(migrations.Migration):
    dependencies = [
        ("groups", "0016_proven_addresses"),
        ("mfa", "0003_authenticator_type_uniq"),
    ]

    operations = [migrations.RunPython(seal, open_again)]
