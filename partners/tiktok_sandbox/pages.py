"""Which function answers which address, outside TikTok's own API."""

from collections.abc import Callable

from . import page_auth, page_control, page_manager, rest
from .render import style
from .sandbox import Sandbox
from .wire import Answer, Request, text

PAGES: dict[str, dict[str, Callable[[Sandbox, Request], Answer]]] = {
    "/": {"GET": page_manager.show},
    "/ads-manager/": {"GET": page_manager.show},
    "/portal/auth/": {"GET": page_auth.ask, "POST": page_auth.decide},
    "/control/": {"GET": page_control.show, "POST": page_control.change},
    "/sandbox/sandbox.css": {"GET": lambda sandbox, request: style()},
    "/sandbox/healthz": {"GET": rest.health},
    "/sandbox/elsewhere/": {"GET": rest.elsewhere, "POST": rest.elsewhere},
    "/sandbox/api/audiences/": {"GET": rest.audiences},
    "/sandbox/api/auth_codes/": {"POST": rest.auth_code},
    "/sandbox/api/faults/": {"GET": rest.faults, "POST": rest.set_fault, "DELETE": rest.clear_faults},
    "/sandbox/api/requests/": {"GET": rest.requests},
    "/sandbox/api/reset/": {"POST": rest.reset},
}


def answer_page(sandbox: Sandbox, request: Request) -> Answer:
    methods = PAGES.get(request.path) or PAGES.get(f"{request.path}/")
    if methods is None and request.path.startswith("/sandbox/api/audiences/") and request.path.endswith("/members/"):
        methods = {"GET": rest.members}
    if methods is None:
        return text("404 page not found", 404)
    handle = methods.get("GET" if request.method == "HEAD" else request.method)
    if handle is None:
        return text("405 method not allowed", 405, Allow=", ".join(methods))
    return handle(sandbox, request)
