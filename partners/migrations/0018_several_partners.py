"""Make room for partners with text codes, long ids and tokens that expire."""

from typing import Any

from django.db import migrations, models

KEYED_BY_ACCOUNT = ("lane:", "create:", "last:lane:")
KEYED_BY_APP = ("app:", "last:app:")


class Widen(migrations.AlterField):
    """Make a text column longer. SQLite checks no lengths, so its table need not be rewritten;
    PostgreSQL changes its catalogue only."""

    def database_forwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        if schema_editor.connection.vendor != "sqlite":
            super().database_forwards(app_label, schema_editor, *states)


def name_the_partner(apps: Any, schema_editor: Any) -> None:
    """Lanes and budgets of before are those of TikTok."""
    for model, prefixes in _keyed(apps):
        for prefix in prefixes:
            for row in list(model.objects.filter(pk__startswith=prefix)):
                rest = row.pk.removeprefix(prefix)
                if not rest.startswith("tiktok:"):
                    _rename(model, row, f"{prefix}tiktok:{rest}")


def forget_the_partner(apps: Any, schema_editor: Any) -> None:
    for model, prefixes in _keyed(apps):
        for prefix in prefixes:
            for row in list(model.objects.filter(pk__startswith=f"{prefix}tiktok:")):
                _rename(model, row, prefix + row.pk.removeprefix(f"{prefix}tiktok:"))


def _keyed(apps: Any) -> tuple[tuple[Any, tuple[str, ...]], ...]:
    budget, lane = apps.get_model("partners", "Budget"), apps.get_model("partners", "Lane")
    return (budget, (*KEYED_BY_ACCOUNT, *KEYED_BY_APP)), (lane, ("",))


def _rename(model: Any, row: Any, key: str) -> None:
    model.objects.filter(pk=row.pk).delete()
    row.pk = key
    row.save(force_insert=True)


PARKED_BY = [
    ("token", "no longer accepts our authorisation"),
    ("ad_account", "refuses us this ad account"),
    ("gone", "no longer has the audience"),
]


def parked(model: str) -> list[Any]:
    """The columns of a model through which nothing is sent for now."""
    code = models.CharField(blank=True, max_length=40)
    by = models.CharField(blank=True, choices=PARKED_BY, max_length=10)
    return [
        Widen(model_name=model, name="parked_code", field=code),
        migrations.AlterField(model_name=model, name="parked_by", field=by),
    ]


def secrets(model: str) -> list[Any]:
    """The columns of a token that expires."""
    sealed = models.TextField(blank=True, db_default="", default="")
    expires_at = models.DateTimeField(blank=True, null=True)
    partner = models.CharField(max_length=20)
    return [
        migrations.AlterField(model_name=model, name="partner", field=partner),
        migrations.AddField(model_name=model, name="refresh_sealed", field=sealed),
        migrations.AddField(model_name=model, name="token_expires_at", field=expires_at),
    ]


class Migration(migrations.Migration):
    dependencies = [("partners", "0017_parked_by_without_throttled")]

    operations = [
        *parked("connection"),
        *parked("adaccount"),
        *parked("audience"),
        *secrets("connection"),
        *secrets("oauthstate"),
        Widen("adaccount", "remote_id", models.CharField(db_index=True, max_length=64)),
        Widen("audience", "remote_id", models.CharField(blank=True, max_length=64)),
        Widen("delivery", "reason", models.CharField(max_length=40, null=True)),
        Widen("batch", "last_code", models.CharField(blank=True, max_length=40)),
        Widen("push", "code", models.CharField(max_length=40)),
        Widen("budget", "key", models.CharField(max_length=120, primary_key=True, serialize=False)),
        Widen(
            "lane",
            "remote_id",
            models.CharField(
                db_column="remote_id", max_length=100, primary_key=True, serialize=False
            ),
        ),
        migrations.RenameField("lane", "remote_id", "key"),
        migrations.RunPython(name_the_partner, forget_the_partner),
    ]
