"""A Sync may remove people again whom another one added, when they leave."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

PURPOSES = [
    ("", "Step"),
    ("erasure", "Erasure"),
    ("consent", "Withdrawn consent"),
    ("misread", "Misread address"),
    ("left", "Left"),
]


class Migration(migrations.Migration):
    dependencies = [("partners", "0018_several_partners")]

    operations = [
        migrations.AlterField(
            model_name="sync",
            name="purpose",
            field=models.CharField(blank=True, choices=PURPOSES, default="", max_length=8),
        ),
        migrations.AddField(
            model_name="sync",
            name="undoes",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="undone_by",
                to="partners.sync",
            ),
        ),
        migrations.AddField(
            model_name="sync",
            name="claims",
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.RemoveConstraint(model_name="sync", name="sync_purpose_once"),
        migrations.AddConstraint(
            model_name="sync",
            constraint=models.UniqueConstraint(
                condition=~Q(purpose="") & Q(undoes=None),
                fields=("audience", "purpose"),
                name="sync_purpose_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="sync",
            constraint=models.CheckConstraint(
                condition=Q(purpose="left", action="remove", undoes__isnull=False)
                | (~Q(purpose="left") & Q(undoes=None)),
                name="sync_undoes",
            ),
        ),
    ]
