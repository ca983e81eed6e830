"""The addresses outside TikTok's API."""

from collections.abc import Callable
from urllib.parse import urlsplit

from tiktok_sandbox.pages import authorise, control, manager, rest
from tiktok_sandbox.pages.render import style
from tiktok_sandbox.sandbox import Sandbox
from tiktok_sandbox.wire import Answer, Request, text

PAGES: dict[str, dict[str, Callable[[Sandbox, Request], Answer]]] = {
    "/": {"GET": manager.show},
    "/ads-manager/": {"GET": manager.show},
    "/portal/auth/": {"GET": authorise.ask, "POST": authorise.decide},
    "/control/": {"GET": control.show, "POST": control.change},
    "/sandbox/sandbox.css": {"GET": lambda sandbox, request: style()},
    "/sandbox/healthz": {"GET": rest.health},
    "/sandbox/elsewhere/": {"GET": rest.elsewhere, "POST": rest.elsewhere},
    "/sandbox/api/audiences/": {"GET": rest.audiences},
    "/sandbox/api/auth_codes/": {"POST": rest.auth_code},
    "/sandbox/api/faults/": {
        "GET": rest.faults,
        "POST": rest.set_fault,
        "DELETE": rest.clear_faults,
    },
    "/sandbox/api/requests/": {"GET": rest.requests},
    "/sandbox/api/reset/": {"POST": rest.reset},
}


def answer_page(sandbox: Sandbox, request: Request) -> Answer:
    methods = PAGES.get(request.path) or PAGES.get(f"{request.path}/")
    if (
        methods is None
        and request.path.startswith("/sandbox/api/audiences/")
        and request.path.endswith("/members/")
    ):
        methods = {"GET": rest.members}
    if methods is None:
        return text("404 page not found", 404)
    handle = methods.get("GET" if request.method == "HEAD" else request.method)
    if handle is None:
        return text("405 method not allowed", 405, Allow=", ".join(methods))
    if request.method not in ("GET", "HEAD") and _is_foreign(request):
        return text("403 forms of other sites are not taken", 403)
    return handle(sandbox, request)


def _is_foreign(request: Request) -> bool:
    """Return whether a browser sent this from another site, or to a foreign host name."""
    host, origin = request.headers.get("host", ""), request.headers.get("origin", "")
    site = request.headers.get("sec-fetch-site", "")
    if not (origin or site):
        return False  # not from a browser
    name = urlsplit(f"//{host}").hostname or ""
    # localhost, a container's name, or an IP address: any other name may be an attack by DNS
    # rebinding.
    is_local = "." not in name or name.replace(".", "").isdigit()
    is_same_site = site in ("same-origin", "none") if site else urlsplit(origin).netloc == host
    return not (is_local and is_same_site)
