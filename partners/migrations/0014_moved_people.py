"""Marks of people who are to be moved to what their step asks now, and how many were."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("partners", "0013_api_ids_once"),
    ]

    operations = [
        migrations.AddField(
            model_name="batch",
            name="moves_to",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="partners.sync",
            ),
        ),
        migrations.AddField(
            model_name="tally",
            name="moved",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="tallyhour",
            name="moved",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(
                condition=models.Q(("moves_to__isnull", False), ("state", "pending")),
                fields=["moves_to"],
                name="batch_moves",
            ),
        ),
        migrations.AddConstraint(
            model_name="tally",
            constraint=models.CheckConstraint(
                condition=models.Q(("moved__gte", 0), ("moved__lte", models.F("cancelled"))),
                name="tally_moved",
            ),
        ),
    ]
