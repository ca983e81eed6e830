"""The REST API put together: one router per storey. Documented at /api/docs."""

from audiencesync.groups import rest
from audiencesync.groups.idempotency import once
from audiencesync.people.api import router as people

api = rest.new_api(
    title="AudienceSync",
    version="1",
    description="The paths and shapes of the Braze REST API: change the host and the key.",
    docs_url="/api/docs",
    openapi_url="/api/openapi.json",
    urls_namespace="api",
)
api.add_decorator(once)
api.add_router("", people)
