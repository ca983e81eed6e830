"""The exception that ends an operation of the REST API with an error response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ErrorDetail = Mapping[str, object]


class ApiError(Exception):
    """Ends an operation with an error response.

    ``errors``: one object per error, without personal data.
    """

    def __init__(
        self,
        status: int,
        message: str,
        errors: Sequence[ErrorDetail] = (),
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {message}")
        self.status, self.message, self.errors, self.headers = (
            status,
            message,
            errors,
            headers or {},
        )


def unauthorized(message: str) -> ApiError:
    """Return the error of a call without a valid key."""
    return ApiError(401, message, headers={"WWW-Authenticate": "Bearer"})
