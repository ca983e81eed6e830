"""The REST API: one router per area. Documented at /api/docs."""

from audiencesync.api_docs import Docs
from audiencesync.people.api.segments import router as segments
from audiencesync.people.api.users import router as people
from audiencesync.rest import door
from audiencesync.rest.idempotency import once
from canvases.api.canvases import router as canvases
from canvases.api.empty_lists import router as empty
from canvases.api.people import router as privacy
from partners.api import router as partners

api = door.new_api(
    title="AudienceSync",
    version="1",
    description="The paths and shapes of the Braze REST API: change the host and the key.",
    docs=Docs(),
    docs_url="/api/docs",
    openapi_url="/api/openapi.json",
    urls_namespace="api",
)
api.add_decorator(once)
for router in (people, privacy, segments, partners, canvases, empty):
    api.add_router("", router)
