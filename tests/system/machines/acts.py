"""Acts of a marketer beside the running machines, each in a process of its own: ``python -m tests.system.machines.acts``."""

import json
import sys
import time

import django

if __name__ == "__main__":
    django.setup()

from django.utils import timezone

from audiencesync.groups.models import AppGroup, User
from audiencesync.people.models import Profile, Segment
from canvases import engine
from canvases.models import Canvas, Step
from lab.bench import world
from lab.story import census
from partners import registry
from partners.models import AdAccount, Audience, Connection, Sync

LANES = 3


def group():
    return AppGroup.objects.get(slug="acme")


def connect():
    """Three ad accounts, each a lane."""
    token = world.token()
    row = Connection(partner="tiktok", app_group=group(), connected_at=timezone.now())
    row.set_token(token)
    row.save()
    Segment.objects.create(app_group=group(), name="Everybody there is")
    for remote in registry.get("tiktok").ad_accounts(token)[:LANES]:
        AdAccount.objects.create(connection=row, remote_id=remote.id, name=remote.name)


def launch(cap):
    """One canvas per ad account: how many people will enter, the ids of the new audiences at the partner."""
    AdAccount.objects.update(learned_cap=cap)
    canvases = [_canvas(account) for account in AdAccount.objects.order_by("pk")]
    for canvas, _remote_id in canvases:
        engine.launch(canvas, by=User.objects.get(email="demo@example.org"), now=timezone.now())
    n = Profile.objects.filter(app_group=group()).count()
    return {"n": n * len(canvases), "audiences": [remote_id for _canvas, remote_id in canvases]}


def people(url):
    """Counted one by one."""
    found = census.count(url, "Acme")
    return {"n": found.can_add, "sent": sorted(found.sent)}


def _canvas(account):
    name = f"{account.name} {time.time_ns()}"
    remote_id = registry.get("tiktok").create_audience(
        account.connection.token, account.remote_id, name=name
    )
    audience = Audience.objects.create(ad_account=account, name=name, remote_id=remote_id)
    everybody = Segment.objects.get(name="Everybody there is")
    canvas = Canvas.objects.create(app_group=group(), name=name, segment=everybody)
    kinds = ["email", "phone", "idfa", "gaid"]
    sync = Sync.objects.create(
        app_group=group(), audience=audience, action="add", kinds=kinds, label=name, url="/"
    )
    step = Step.objects.create(canvas=canvas, kind="audience_sync", sync=sync)
    step.syncs.add(sync)
    return canvas, remote_id


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    act = {"connect": connect, "launch": launch, "census": people}[told.pop("act")]
    sys.stdout.write(json.dumps(act(**told)))
