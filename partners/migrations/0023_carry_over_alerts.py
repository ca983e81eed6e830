"""Carry over which places were mailed about, so that nobody is mailed twice.

``alerted_at`` stays for processes of the former version; a later one drops it.
"""

from typing import Any

from django.db import migrations
from django.utils import timezone

CODES = {"token": "token_refused", "ad_account": "ad_account_refused", "gone": "audience_gone"}
PLACES = {  # model -> the foreign key of an incident, the path to the connection, the usual code
    "Connection": ("connection", "", "token_refused"),
    "AdAccount": ("ad_account", "connection", "ad_account_refused"),
    "Audience": ("audience", "ad_account__connection", "audience_gone"),
}


def carry_over(apps: Any, schema_editor: Any) -> None:
    """Write an incident with its notices for each place that was mailed about."""
    incident, notice = apps.get_model("partners", "Incident"), apps.get_model("partners", "Notice")
    now = timezone.now()
    for model, (place, path, usual) in PLACES.items():
        rows = apps.get_model("partners", model).objects.exclude(alerted_at=None)
        for row in rows.select_related(path) if path else rows:
            connection = row
            for part in filter(None, path.split("__")):
                connection = getattr(connection, part)
            key = {place: row, "code": CODES.get(row.parked_by, usual), "ended_at": None}
            begun_at = row.parked_since or row.alerted_at
            values = {"app_group_id": connection.app_group_id, "begun_at": begun_at}
            one, _created = incident.objects.get_or_create(**key, defaults=values)
            if not row.parked_by:  # over, and the mail about the end was not sent yet
                one.ended_at = now
                one.save(update_fields=["ended_at"])
            notice.objects.bulk_create(
                [
                    notice(
                        incident=one,
                        kind="begun",
                        user_id=user,
                        mail_key=f"begun:{model}:{row.pk}:{user}",
                        created_at=row.alerted_at,
                        sent_at=row.alerted_at,
                    )
                    for user in readers(apps, connection)
                ],
                ignore_conflicts=True,
            )


def readers(apps: Any, connection: Any) -> list[int]:
    """Return who was mailed: the user who connected, else the admins."""
    members = apps.get_model("groups", "Membership").objects.filter(
        app_group=connection.app_group_id, user__is_active=True
    )
    mine = members.filter(user=connection.connected_by_id) if connection.connected_by_id else []
    return [one.user_id for one in mine or members.filter(role="admin")]


def carry_back(apps: Any, schema_editor: Any) -> None:
    """Mark the places of open incidents that were mailed about."""
    told = apps.get_model("partners", "Notice").objects.filter(
        kind="begun", sent_at__isnull=False, incident__ended_at=None
    )
    for one in told.select_related("incident"):
        for model, (place, _path, _usual) in PLACES.items():
            pk = getattr(one.incident, f"{place}_id")
            rows = apps.get_model("partners", model).objects.filter(pk=pk, alerted_at=None)
            rows.exclude(parked_by="").update(alerted_at=one.sent_at)


class Migration(migrations.Migration):
    dependencies = [("partners", "0022_notices")]

    operations = [migrations.RunPython(carry_over, carry_back)]
