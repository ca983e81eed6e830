"""What proves an address: links of invitations sent before were seen by who invited; accounts made until now are proven.

Accounts came by invitation (a confirmed row) or from the shell (no row, or one that allauth added unconfirmed later).
"""

from django.db import migrations, models
from django.db.models.functions import Lower


def links_were_shown(apps, schema_editor):
    apps.get_model("groups", "Invitation").objects.filter(accepted_at=None).update(link_shown=True)


def confirm_present_addresses(apps, schema_editor):
    address_of = apps.get_model("account", "EmailAddress").objects
    users = apps.get_model("groups", "User").objects.annotate(address=Lower("email"))
    confirmed = address_of.filter(verified=True).annotate(address=Lower("email"))
    for user in users.exclude(address__in=confirmed.values("address")).iterator(chunk_size=500):
        address_of.filter(user_id=user.pk, primary=True).exclude(email__iexact=user.email).update(
            primary=False
        )
        rows = address_of.filter(user_id=user.pk, email__iexact=user.email)
        if not rows.update(verified=True, primary=True, email=user.address):
            address_of.create(user_id=user.pk, email=user.address, verified=True, primary=True)


class Migration(migrations.Migration):
    dependencies = [
        ("groups", "0015_reread_at"),
        ("account", "0009_emailaddress_unique_primary_email"),
    ]

    operations = [
        migrations.AddField(
            model_name="invitation",
            name="link_shown",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.RunPython(links_were_shown, migrations.RunPython.noop),
        migrations.RunPython(confirm_present_addresses, migrations.RunPython.noop),
    ]
