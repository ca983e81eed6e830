"""Middleware: the activity log notes the IP address from which a request came."""

from collections.abc import Callable

from allauth.account.adapter import get_adapter
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from audiencesync.core.web import origin


class RequestOrigin:
    """Provides `origin.address`: the client's IP address, as allauth's rate limits determine it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with origin.found_by(lambda: _ip_address(request)):
            return self.get_response(request)


def _ip_address(request: HttpRequest) -> str | None:
    try:
        ip_address: str = get_adapter(request).get_client_ip(request)
    except PermissionDenied:  # raised by allauth if the proxy passes on no address
        return None
    return ip_address
