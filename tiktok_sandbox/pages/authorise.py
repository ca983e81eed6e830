"""The authorisation page: who asks for which access, as which TikTok user; confirm or cancel."""

import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tiktok_sandbox.accounts import AD_ACCOUNTS, AUDIENCES
from tiktok_sandbox.pages.render import page
from tiktok_sandbox.sandbox import Options, Sandbox
from tiktok_sandbox.wire import Answer, Request, redirect

KEPT = ("app_id", "state", "redirect_uri")


def form(request: Request) -> list[tuple[str, str]]:
    return parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)


def ask(sandbox: Sandbox, request: Request) -> Answer:
    wish = request.query
    problem = problem_with(wish, sandbox.options)
    if problem:
        return page(request, "refused.html", {"problem": problem}, 400)
    users = [(user, sandbox.accounts.advertisers_of(user.id)) for user in sandbox.accounts.users()]
    context = {
        "users": users,
        "kept": {name: wish.get(name, "") for name in KEPT},
        "host": host(wish["redirect_uri"]),
    }
    return page(request, "authorise.html", context)


def decide(sandbox: Sandbox, request: Request) -> Answer:
    pairs = form(request)
    wish = dict(pairs)
    problem = problem_with(wish, sandbox.options)
    if problem:
        return page(request, "refused.html", {"problem": problem}, 400)
    if "cancel" in wish:
        # TikTok documents no parameters for this case: `error` is our invention.
        return redirect(back(wish, error="access_denied"))
    user = sandbox.accounts.user(wish.get("user", ""))
    if user is None:
        return page(
            request, "refused.html", {"problem": _("Choose the TikTok user to continue as.")}, 400
        )
    granted = {value for name, value in pairs if name == "scope"}
    scope = frozenset(one for one in (AD_ACCOUNTS, AUDIENCES) if str(one) in granted)
    code = sandbox.accounts.issue_code(user.id, scope)
    return redirect(back(wish, auth_code=code, code=secrets.token_hex(20)))


def problem_with(wish: Mapping[str, str], options: Options) -> Promise | None:
    """Why nobody may be sent back to this address, if so."""
    if wish.get("app_id") != options.app_id:
        return _("The link names an app that is not known here. Check the app ID in the settings.")
    address = wish.get("redirect_uri", "")
    try:
        parts = urlsplit(address)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.fragment
    except ValueError:
        is_web = False
    if not is_web or any(character.isspace() for character in address):
        return _("The link names no valid address to return to.")
    if options.allowed_redirects and not address.startswith(options.allowed_redirects):
        return _("The address to return to is not registered for this app.")
    return None


def host(address: str) -> str:
    return urlsplit(address).netloc


def back(wish: Mapping[str, str], **answer: str) -> str:
    """The redirect address with our answer and the state, whatever query it had."""
    parts = urlsplit(wish["redirect_uri"])
    query = [*parse_qsl(parts.query, keep_blank_values=True), *answer.items()]
    if wish.get("state"):
        query.append(("state", wish["state"]))
    return urlunsplit(parts._replace(query=urlencode(query)))
