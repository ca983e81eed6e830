"""TikTok's Marketing API v1.3, one method per endpoint: tokens and ids in, dataclasses out.

Every method may raise Retry, Rejected or Disconnected (partners/errors.py). After a Retry the call
may have been applied. Ids are decimal strings. "Docs n" in a docstring stands for the page
business-api.tiktok.com/portal/docs?id=n. An envelope is the JSON of an answer (answers.py). TikTok
calls an ad account an advertiser.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson
import requests
from django.views.decorators.debug import sensitive_variables

from partners.base import Lookalike, PartnerUser, Receipt, RemoteAdAccount, RemoteAudience, Token
from partners.tiktok.answers import no_clear_answer, request_id, unwrap
from partners.tiktok.parse import (
    ad_account,
    ad_account_id,
    audience,
    audience_details,
    decimal_id,
    token,
    user,
)
from partners.transport import NoAnswer, fetch, new_session

logger = logging.getLogger(__name__)

IDS_PER_CALL = 100
PAGE_SIZE = 100  # audiences of a page
MAX_PAGES = 50
SEGMENT_OK = (0, 200)
"""Success codes of the segment endpoints: TikTok documents 200, real answers have 0."""

T = TypeVar("T")


def authorize_url(auth_url: str, *, app_id: str, state: str, redirect_uri: str) -> str:
    """Return the address of TikTok's consent page.

    There is no scope parameter: scopes belong to the developer app.
    """
    return (
        f"{auth_url}?{urlencode({'app_id': app_id, 'state': state, 'redirect_uri': redirect_uri})}"
    )


class Client:
    """Calls one API host for one developer app. Threads may share it; make a new one after a fork.

    `deadline`: seconds after which every call ends, whatever the server does.
    `session`: one made by `new_session`.
    """

    def __init__(
        self,
        app_id: str,
        app_secret: str,
        api_url: str,
        *,
        session: requests.Session | None = None,
        deadline: float = 20.0,
    ) -> None:
        self.app_id = app_id
        self._app_secret = app_secret
        self._base = f"{api_url.rstrip('/')}/open_api/v1.3/"
        self._session = session or new_session()
        self._deadline = deadline

    @sensitive_variables()
    def exchange(self, auth_code: str) -> Token:
        """POST /oauth2/access_token/ (docs 1739965703387137): redeem an auth_code.

        The token never expires. A code works once, within an hour; a used, expired or cancelled
        one raises Rejected(AUTH_CODE). After a Retry the code may be used up.
        """
        body = {"app_id": self.app_id, "secret": self._app_secret, "auth_code": auth_code}
        envelope = self._post("oauth2/access_token/", body, secrets=(auth_code,))
        return _read(token, envelope)

    @sensitive_variables()
    def revoke(self, access_token: str) -> None:
        """POST /oauth2/revoke_token/ (docs 1739965949088770): make a token invalid.

        Raises Disconnected for a token that is not valid any more.
        """
        body = {"app_id": self.app_id, "secret": self._app_secret, "access_token": access_token}
        self._post("oauth2/revoke_token/", body, access_token=access_token)

    @sensitive_variables()
    def advertisers(self, access_token: str) -> list[RemoteAdAccount]:
        """GET /oauth2/advertiser/get/ (docs 1738455508553729): list the ad accounts by id and name.

        TikTok wants the app secret in the query string here: it must not reach any log.
        """
        query = {"app_id": self.app_id, "secret": self._app_secret}
        return _read_list(
            ad_account_id, self._get("oauth2/advertiser/get/", query, access_token=access_token)
        )

    @sensitive_variables()
    def advertiser_info(
        self, access_token: str, advertiser_ids: Sequence[str]
    ) -> list[RemoteAdAccount]:
        """GET /advertiser/info/ (docs 1739593083610113): currency, time zone, status.

        A call has at most 100 ids. If the token does not cover one of them, the whole call fails
        with Rejected(AD_ACCOUNT).
        """
        ad_accounts: list[RemoteAdAccount] = []
        fields = _json(
            ["advertiser_id", "name", "currency", "timezone", "display_timezone", "status"]
        )
        for ids in _in_calls(advertiser_ids):
            query = {"advertiser_ids": _json(ids), "fields": fields}
            ad_accounts += _read_list(
                ad_account, self._get("advertiser/info/", query, access_token=access_token)
            )
        return ad_accounts

    @sensitive_variables()
    def user_info(self, access_token: str) -> PartnerUser:
        """GET /user/info/: the user who authorised; the e-mail address comes masked.

        This is the cheapest test of a token.
        """
        return _read(user, self._get("user/info/", {}, access_token=access_token))

    @sensitive_variables()
    def create_audience(self, access_token: str, advertiser_id: str, name: str) -> str:
        """POST /segment/audience/ (docs 1739940583739393): create an empty audience, return its id.

        Limits: 1 call per second and ad account, 400 audiences per ad account; names longer than 70
        characters are cut. NOT idempotent: after a Retry the audience may exist, so look for its
        name in the list before creating it again.
        """
        body = {"advertiser_id": advertiser_id, "action": "create", "custom_audience_name": name}
        envelope = self._post(
            "segment/audience/", body, access_token=access_token, ok_codes=SEGMENT_OK
        )
        return _read(lambda data: decimal_id(data["audience_id"]), envelope)

    @sensitive_variables()
    def create_lookalike(
        self, access_token: str, advertiser_id: str, source_id: str, wanted: Lookalike
    ) -> str:
        """POST /dmp/custom_audience/lookalike/create/ (docs 1739940511844353): return its id.

        The source needs at least 100 matched people and must not be a lookalike itself. TikTok
        takes up to 48 h to build the lookalike.
        """
        spec = {
            "source_audience_id": source_id,
            "include_source": False,
            "mobile_os": "ALL",
            "placements": ["TikTok"],
            "location_ids": [wanted.country],  # TikTok's sample has country codes, such as "JP"
            "audience_size": wanted.reach,
        }
        body = {
            "advertiser_id": advertiser_id,
            "custom_audience_name": wanted.name,
            "lookalike_spec": spec,
        }
        envelope = self._post(
            "dmp/custom_audience/lookalike/create/", body, access_token=access_token
        )
        return _read(lambda data: decimal_id(data["custom_audience_id"]), envelope)

    @sensitive_variables()
    def delete_audience(self, access_token: str, advertiser_id: str, audience_id: str) -> None:
        """POST /segment/audience/ (docs 1739940583739393): delete an audience.

        Raises Rejected(AUDIENCE_GONE) if it does not exist any more.
        """
        body = {
            "advertiser_id": advertiser_id,
            "action": "delete",
            "delete_audience_id": audience_id,
        }
        self._post("segment/audience/", body, access_token=access_token, ok_codes=SEGMENT_OK)

    @sensitive_variables()
    def delete_other_audience(
        self, access_token: str, advertiser_id: str, audience_id: str
    ) -> None:
        """POST /dmp/custom_audience/delete/ (docs 1739940539757569): delete an audience.

        Use it for types that segment/audience/ does not create, such as lookalikes and customer
        files: the docs do not say whether segment/audience/ deletes those.
        """
        body = {"advertiser_id": advertiser_id, "custom_audience_ids": [audience_id]}
        self._post("dmp/custom_audience/delete/", body, access_token=access_token)

    @sensitive_variables()
    def push(self, access_token: str, body: bytes) -> Receipt:
        """POST /segment/mapping/ (docs 1739940585975809): add or remove people.

        `body` comes from wire.build_mapping_body. TikTok accepts a request at once, applies it
        within 48 h, and gives no result per person. Repeating is harmless: audiences are sets.
        """
        envelope = self._post(
            "segment/mapping/", body, access_token=access_token, ok_codes=SEGMENT_OK
        )
        return Receipt(request_id(envelope))

    @sensitive_variables()
    def list_audiences(self, access_token: str, advertiser_id: str) -> list[RemoteAudience]:
        """GET /dmp/custom_audience/list/ (docs 1739940506015746): list the audiences.

        The list has the audiences of the ad account and those that other ad accounts share with it,
        at most 5,000. Sizes count matched people and lag up to 48 h.
        """
        by_id: dict[str, RemoteAudience] = {}
        for page in range(1, MAX_PAGES + 1):
            query = {"advertiser_id": advertiser_id, "page": str(page), "page_size": str(PAGE_SIZE)}
            envelope = self._get("dmp/custom_audience/list/", query, access_token=access_token)
            of_page = _read_list(audience, envelope)
            # No sort order is promised: an audience may come twice.
            by_id |= {item.id: item for item in of_page}
            if _read(_is_last_page, envelope, page, len(of_page)):
                return list(by_id.values())
        logger.warning("tiktok: more audiences than %d pages; the rest is not read", MAX_PAGES)
        return list(by_id.values())

    @sensitive_variables()
    def get_audiences(
        self, access_token: str, advertiser_id: str, audience_ids: Sequence[str]
    ) -> list[RemoteAudience]:
        """GET /dmp/custom_audience/get/ (docs 1739940507792385): some audiences by id, 100 a call.

        TikTok does not document what happens with unknown ids: it may leave them out, or reject
        the whole call, which raises Rejected(AUDIENCE_GONE).
        """
        audiences: list[RemoteAudience] = []
        for ids in _in_calls(audience_ids):
            query = {
                "advertiser_id": advertiser_id,
                "custom_audience_ids": _json(ids),
                "history_size": "1",  # the least; the history is not read
            }
            envelope = self._get("dmp/custom_audience/get/", query, access_token=access_token)
            audiences += _read_list(audience_details, envelope)
        return audiences

    @sensitive_variables()
    def _get(self, path: str, query: dict[str, str], *, access_token: str) -> dict[str, Any]:
        request = requests.Request(
            "GET", self._base + path, params=query, headers={"Access-Token": access_token}
        )
        return self._call(path, request, secrets=(access_token,))

    @sensitive_variables()
    def _post(
        self,
        path: str,
        body: Mapping[str, object] | bytes,
        *,
        access_token: str = "",  # empty only in `exchange`, which gets the first token
        secrets: tuple[str, ...] = (),
        ok_codes: tuple[int, ...] = (0,),
    ) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"} | (
            {"Access-Token": access_token} if access_token else {}
        )
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        request = requests.Request("POST", self._base + path, data=content, headers=headers)
        return self._call(path, request, secrets=(access_token, *secrets), ok_codes=ok_codes)

    @sensitive_variables()
    def _call(
        self,
        path: str,
        request: requests.Request,
        *,
        secrets: tuple[str, ...],
        ok_codes: tuple[int, ...] = (0,),
    ) -> dict[str, Any]:
        started = time.monotonic()
        try:
            answer = fetch(self._session, request, seconds=self._deadline)
        except NoAnswer as error:
            reason = error.reason  # raised below, so that no exception with a secret is chained
        else:
            envelope = unwrap(answer, secrets=(self._app_secret, *secrets), ok_codes=ok_codes)
            logger.debug(
                "tiktok: %s request_id=%s %.3f s",
                path,
                request_id(envelope),
                time.monotonic() - started,
            )
            return envelope
        raise no_clear_answer(reason)


@sensitive_variables()
def _read(parse: Callable[..., T], envelope: dict[str, Any], *args: Any) -> T:
    """Parse `data` of a success; an unexpected shape raises Retry, as an unclear answer does."""
    try:
        return parse(envelope["data"], *args)
    except (KeyError, TypeError, ValueError, AttributeError):
        pass  # raised below: a chained exception could show what TikTok sent
    raise no_clear_answer("unexpected shape of data")


@sensitive_variables()
def _read_list(parse: Callable[[Any], T], envelope: dict[str, Any]) -> list[T]:
    """Parse the items of `data.list`."""
    return _read(lambda data: [parse(item) for item in data["list"]], envelope)


def _is_last_page(data: dict[str, Any], page: int, n_on_page: int) -> bool:
    """Return whether this page is the last; without page_info, the first one that is not full."""
    n_pages = data.get("page_info", {}).get("total_page")
    if n_on_page == 0:
        return True
    return n_on_page < PAGE_SIZE if n_pages is None else page >= int(n_pages)


def _in_calls(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + IDS_PER_CALL] for start in range(0, len(ids), IDS_PER_CALL))


def _json(values: Sequence[str]) -> str:
    return orjson.dumps(list(values)).decode()
