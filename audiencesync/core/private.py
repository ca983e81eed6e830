"""What every answer says to the browser about itself: who may keep it, and what the page may use."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

UNUSED = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"


def keep_private(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: what is answered to a session stays in no cache, neither the browser's nor one between.

    It stands behind the one that serves static files: they say themselves how long they may be kept.
    """

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.setdefault("Permissions-Policy", UNUSED)
        has_session = (
            settings.SESSION_COOKIE_NAME in request.COOKIES
            or settings.SESSION_COOKIE_NAME in response.cookies
        )
        if has_session and "no-store" not in response.get("Cache-Control", ""):
            response["Cache-Control"] = "no-store"
        return response

    return answer
