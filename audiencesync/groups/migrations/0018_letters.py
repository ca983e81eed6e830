"""Letters belong to groups now, and a visitor without an account that we know of may ask for one."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

THE_TABLE = migrations.CreateModel(
    name="Letter",
    fields=[
        (
            "id",
            models.BigAutoField(
                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        ("key", models.CharField(max_length=160, unique=True)),
        ("subject", models.CharField(blank=True, max_length=250)),
        ("body", models.TextField(blank=True)),
        ("created_at", models.DateTimeField(db_index=True)),
        ("due_at", models.DateTimeField(null=True)),
        ("tries", models.PositiveIntegerField(default=0)),
        ("sent_at", models.DateTimeField(null=True)),
        (
            "user",
            models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ],
    options={
        "db_table": "partners_letter",
        "indexes": [
            models.Index(
                condition=Q(("due_at__isnull", False)), fields=["due_at"], name="letter_due"
            )
        ],
    },
)


def drop_what_was_asked_for(apps, schema_editor):
    """On the way back: the version of before cannot send it."""
    apps.get_model("groups", "Letter").objects.filter(user=None).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("groups", "0017_seal_second_factors"),
        ("partners", "0016_letters_moved"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(state_operations=[THE_TABLE]),
        *(
            migrations.AddField(
                model_name="letter",
                name=name,
                field=models.CharField(blank=True, db_default="", default="", max_length=length),
            )
            for name, length in (("kind", 30), ("address", 320), ("language", 10))
        ),
        migrations.AlterField(
            model_name="letter",
            name="user",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunPython(migrations.RunPython.noop, drop_what_was_asked_for),
        migrations.AddConstraint(
            model_name="letter",
            constraint=models.CheckConstraint(
                condition=Q(
                    ("user__isnull", False), models.Q(("kind", ""), _negated=True), _connector="OR"
                ),
                name="letter_has_a_reader",
            ),
        ),
    ]
