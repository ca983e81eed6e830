"""The answers of the checks of a connection, and when it was last checked as a whole."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("partners", "0027_failed_calls"),
    ]

    operations = [
        migrations.AddField(
            model_name="connection",
            name="examined_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name="CheckAnswer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("access", "Access"),
                            ("permissions", "Permissions"),
                            ("ad_account", "Ad Account"),
                            ("audiences", "Audiences"),
                            ("allow_list", "Allow List"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "result",
                    models.CharField(
                        choices=[("good", "Good"), ("bad", "Bad"), ("unknown", "Unknown")],
                        max_length=8,
                    ),
                ),
                ("code", models.CharField(blank=True, max_length=40)),
                ("answer", models.CharField(blank=True, max_length=200)),
                ("ms", models.PositiveIntegerField(default=0)),
                ("at", models.DateTimeField(db_index=True)),
                ("since", models.DateTimeField()),
                (
                    "ad_account",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="partners.adaccount",
                    ),
                ),
                (
                    "connection",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="check_answers",
                        to="partners.connection",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["connection", "-id"], name="check_answer_newest")],
            },
        ),
    ]
