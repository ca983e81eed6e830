"""The tables of the people app. Values that identify a person are masked, or shown only as present.

ImportMember and SegmentMember are left out: Django's admin cannot show a composite primary key.
"""

from audiencesync.groups.operators.read_only import EMAIL, presence, register
from audiencesync.people.models import (
    ErasedName,
    Erasure,
    Event,
    Misreading,
    PastIdentifier,
    Profile,
    Segment,
    UserAlias,
    Withdrawal,
    imports,
    live,
)

register(
    [Profile],
    personal=EMAIL | dict.fromkeys(["external_id", "phone", "idfa", "gaid"], presence),
)
register([UserAlias], personal=dict.fromkeys(["label", "name"], presence))
register([Event, Misreading, PastIdentifier, Withdrawal, ErasedName])
register([Erasure], personal={"asked_by": presence}, also=("key",), keys=("key",))
register([Segment], keys=("api_id",), without=("description",))
register(
    [imports.Import],
    personal={"file_name": presence, "trouble": presence},
    without=("upload",),
    also=("problem_counts",),
)
register([imports.UploadPart], without=("upload",))
register([imports.RejectPart])
register([live.Subscription], also=("kinds",))
register([live.Signal, live.ChangedProfile])
