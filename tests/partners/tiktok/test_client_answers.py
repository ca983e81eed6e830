"""The client maps every answer of TikTok to a value or a typed error."""

import pytest
import requests
import responses

from partners.errors import Disconnected, PartnerError, Rejected, RejectedCause, Retry, RetryCause
from partners.tiktok.client import Client

API = "https://tiktok.test"
MAPPING = f"{API}/open_api/v1.3/segment/mapping/"


def push() -> str:
    return Client("1", "secret", API).push("token", b"{}").request_id


def answer(code: object, *, status: int = 200, **more: object) -> PartnerError:
    """Return the error that this answer of TikTok raises."""
    with responses.RequestsMock() as mock:
        envelope = {"code": code, "message": "no", "request_id": "R7", "data": {}} | more
        mock.post(MAPPING, json=envelope, status=status)
        with pytest.raises(PartnerError) as caught:
            push()
    return caught.value


@responses.activate
@pytest.mark.parametrize("status", [200, 500, 429])
def test_code_0_is_success_whatever_the_status(status: int) -> None:
    responses.post(MAPPING, json={"code": 0, "request_id": "R1"}, status=status)
    assert push() == "R1"


@responses.activate
def test_code_200_is_success_for_a_push() -> None:
    responses.post(MAPPING, json={"code": 200, "message": "OK"})
    assert push() == ""


@responses.activate
def test_code_200_is_no_success_for_other_endpoints() -> None:
    responses.get(
        f"{API}/open_api/v1.3/user/info/", json={"code": 200, "data": {"core_user_id": "1"}}
    )
    with pytest.raises(Retry):
        Client("1", "secret", API).user_info("token")


@pytest.mark.parametrize("status", [200, 400, 401, 500, 429])
@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (40100, RetryCause.THROTTLED_APP),
        (40016, RetryCause.THROTTLED_APP),
        (40133, RetryCause.THROTTLED_AD_ACCOUNT),
        (50000, RetryCause.TRANSIENT),
        (50002, RetryCause.TRANSIENT),
        (51063, RetryCause.TRANSIENT),
        (51305, RetryCause.TRANSIENT),
        (60001, RetryCause.TRANSIENT),
        (40202, RetryCause.TRANSIENT),
        (40050, RetryCause.UNKNOWN),
        (49999, RetryCause.UNKNOWN_CODE),
        (-1, RetryCause.UNKNOWN_CODE),
    ],
)
def test_a_temporary_code_raises_retry(code: int, cause: RetryCause, status: int) -> None:
    error = answer(code, status=status)
    assert isinstance(error, Retry)
    assert (error.cause, error.code, error.request_id) == (cause, str(code), "R7")


@pytest.mark.parametrize(
    ("code", "cause"),
    [(code, RejectedCause.CONTENT) for code in (40002, 40062)]
    + [(code, RejectedCause.TOO_MANY) for code in (40011, 40061)]
    + [(code, RejectedCause.AD_ACCOUNT) for code in (40001, 40118, 40119, 40125, 40300, 40301)]
    + [
        (40007, RejectedCause.AUDIENCE_GONE),
        (40110, RejectedCause.AUTH_CODE),
        (40000, RejectedCause.OTHER),
    ],
)
def test_a_permanent_code_raises_rejected(code: int, cause: RejectedCause) -> None:
    error = answer(code)
    assert isinstance(error, Rejected)
    assert (error.cause, error.code, error.request_id) == (cause, str(code), "R7")


@pytest.mark.parametrize("code", [40102, 40104, 40105, 40106, 40114, 40130])
def test_a_code_of_lost_access_raises_disconnected(code: int) -> None:
    error = answer(code)
    assert isinstance(error, Disconnected)
    assert (error.code, error.request_id) == (str(code), "R7")


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ({"failed_rows": [0, 7]}, (0, 7)),
        ({"failed_rows": []}, None),
        ({"failed_rows": ["x"]}, None),
        ({}, None),
        (None, None),
    ],
)
def test_partial_success_has_the_failed_rows_or_none(
    data: object, rows: tuple[int, ...] | None
) -> None:
    error = answer(20001, data=data)
    assert isinstance(error, Rejected)
    assert (error.cause, error.failed_rows) == (RejectedCause.PARTIAL, rows)


@responses.activate
@pytest.mark.parametrize(
    ("body", "status", "cause"),
    [
        ("", 200, RetryCause.UNKNOWN),
        ("<html>", 200, RetryCause.UNKNOWN),
        ("404 page not found", 404, RetryCause.UNKNOWN),
        ("[]", 200, RetryCause.UNKNOWN),
        ("{}", 200, RetryCause.UNKNOWN),
        ('{"code": "0"}', 200, RetryCause.UNKNOWN),
        ('{"code": true}', 200, RetryCause.UNKNOWN),
        ('{"code": 0.0}', 200, RetryCause.UNKNOWN),
        ('{"code": null}', 200, RetryCause.UNKNOWN),
        ('{"code": 0', 200, RetryCause.UNKNOWN),
        ('{"code": 0}', 302, RetryCause.UNKNOWN),
        ("bad gateway", 502, RetryCause.TRANSIENT),
        ("", 503, RetryCause.TRANSIENT),
        ("slow down", 429, RetryCause.THROTTLED_APP),
    ],
)
def test_an_answer_without_a_code_is_never_a_success(
    body: str, status: int, cause: RetryCause
) -> None:
    responses.post(
        MAPPING, body=body, status=status, headers={"Location": "https://elsewhere.test/"}
    )
    with pytest.raises(Retry) as caught:
        push()
    assert (caught.value.cause, caught.value.code) == (cause, None)


@responses.activate
@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("999999", 3600.0), ("-1", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)],
)
def test_retry_after_is_capped(header: str, seconds: float | None) -> None:
    responses.post(MAPPING, body="", status=503, headers={"Retry-After": header})
    with pytest.raises(Retry) as caught:
        push()
    assert caught.value.retry_after == seconds


@responses.activate
@pytest.mark.parametrize(
    "failure",
    [
        requests.ConnectionError("x"),
        requests.Timeout("x"),
        requests.exceptions.ChunkedEncodingError("x"),
    ],
)
def test_a_broken_exchange_has_an_unknown_outcome(failure: Exception) -> None:
    responses.post(MAPPING, body=failure)
    with pytest.raises(Retry) as caught:
        push()
    assert caught.value.cause == RetryCause.UNKNOWN


@responses.activate
def test_a_success_of_unknown_shape_has_an_unknown_outcome() -> None:
    responses.post(f"{API}/open_api/v1.3/segment/audience/", json={"code": 0, "data": {}})
    with pytest.raises(Retry) as caught:
        Client("1", "secret", API).create_audience("token", "7", "Buyers")
    assert caught.value.cause == RetryCause.UNKNOWN


@responses.activate
@pytest.mark.parametrize("item", [{"audience_id": "9" * 65}, {"cover_num": 2**63}])
def test_what_no_column_can_store_is_of_unknown_shape(item: dict[str, object]) -> None:
    audience = {"audience_id": "9", "audience_type": "Partner"} | item
    url = f"{API}/open_api/v1.3/dmp/custom_audience/list/"
    responses.get(url, json={"code": 0, "data": {"list": [audience]}})
    with pytest.raises(Retry) as caught:
        Client("1", "secret", API).list_audiences("token", "7")
    assert caught.value.cause == RetryCause.UNKNOWN
