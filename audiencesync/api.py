"""The REST API put together: one router per storey. Documented at /api/docs."""

from audiencesync.api_docs import Docs
from audiencesync.groups import rest
from audiencesync.groups.idempotency import once
from audiencesync.people.api import router as people
from audiencesync.people.segments_api import router as segments
from canvases.api import router as canvases
from canvases.empty_api import router as empty
from canvases.people_api import router as privacy
from partners.api import router as partners

api = rest.new_api(
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
