"""What tallies said when past days began, from their hours."""

from datetime import UTC

from django.db import migrations, transaction

AT_ONCE = 100  # Syncs
COLUMNS = ("entered", "synced", "not_synced", "pending", "errored", "cancelled", "moved")


def fill(apps, schema_editor):
    """Do it for some Syncs at a time, under the locks of their tallies: the engine may run."""
    Tally, TallyDay = apps.get_model("partners", "Tally"), apps.get_model("partners", "TallyDay")
    last = 0
    while True:
        with transaction.atomic():
            tallies = Tally.objects.select_for_update().filter(pk__gt=last).order_by("pk")
            some = {pk: said for pk, *said in tallies.values_list("pk", *COLUMNS)[:AT_ONCE]}
            if not some:
                return
            TallyDay.objects.filter(sync__in=some).delete()  # of a run that was interrupted
            TallyDay.objects.bulk_create(_days(apps, some), batch_size=1000)
        last = max(some)


def _days(apps, tallies):
    """Return the days of some tallies: from the newest hour on, take back what each changed."""
    TallyHour, TallyDay = (apps.get_model("partners", name) for name in ("TallyHour", "TallyDay"))
    rows = TallyHour.objects.filter(sync__in=tallies).order_by("sync", "-hour")
    found = {}
    for sync, hour, *changes in rows.values_list("sync", "hour", *COLUMNS).iterator():
        tallies[sync] = [n - by for n, by in zip(tallies[sync], changes, strict=True)]
        found[sync, hour.astimezone(UTC).date()] = tallies[sync]
    return [
        TallyDay(sync_id=sync, day=day, **dict(zip(COLUMNS, said, strict=True)))
        for (sync, day), said in found.items()
    ]


def empty(apps, schema_editor):
    apps.get_model("partners", "TallyDay").objects.all().delete()


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("partners", "0032_tally_days")]

    operations = [migrations.RunPython(fill, empty)]
