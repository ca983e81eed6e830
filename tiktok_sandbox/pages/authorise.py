"""The authorisation page: choose a TikTok user and permissions, confirm or cancel."""

import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tiktok_sandbox.accounts import AD_ACCOUNTS, AUDIENCES
from tiktok_sandbox.pages.render import page
from tiktok_sandbox.sandbox import Options, Sandbox
from tiktok_sandbox.wire import Answer, Request, redirect

PARAMS_PASSED_ON = ("app_id", "state", "redirect_uri")


def form(request: Request) -> list[tuple[str, str]]:
    """Return the fields of a sent form; a name may occur more than once."""
    return parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)


def ask(sandbox: Sandbox, request: Request) -> Answer:
    """Show the page."""
    query = request.query
    problem = problem_with(query, sandbox.options)
    if problem:
        return page(request, "refused.html", {"problem": problem}, 400)
    users = [(user, sandbox.accounts.advertisers_of(user.id)) for user in sandbox.accounts.users()]
    context = {
        "users": users,
        "kept": {name: query.get(name, "") for name in PARAMS_PASSED_ON},
        "host": host(query["redirect_uri"]),
    }
    return page(request, "authorise.html", context)


def decide(sandbox: Sandbox, request: Request) -> Answer:
    """Redirect to the app with a code, or with an error if the user cancelled."""
    pairs = form(request)
    query = dict(pairs)
    problem = problem_with(query, sandbox.options)
    if problem:
        return page(request, "refused.html", {"problem": problem}, 400)
    if "cancel" in query:
        # TikTok documents no parameters for this case: `error` is our invention.
        return redirect(redirect_url(query, error="access_denied"))
    user = sandbox.accounts.user(query.get("user", ""))
    if user is None:
        return page(
            request, "refused.html", {"problem": _("Choose the TikTok user to continue as.")}, 400
        )
    granted = {value for name, value in pairs if name == "scope"}
    scope = frozenset(number for number in (AD_ACCOUNTS, AUDIENCES) if str(number) in granted)
    code = sandbox.accounts.issue_code(user.id, scope)
    # Only `auth_code` can be redeemed; an app that uses `code` by mistake fails.
    return redirect(redirect_url(query, auth_code=code, code=secrets.token_hex(20)))


def problem_with(query: Mapping[str, str], options: Options) -> Promise | None:
    """Return why this request cannot be redirected back, None if it can."""
    if query.get("app_id") != options.app_id:
        return _("The link names an app that is not known here. Check the app ID in the settings.")
    address = query.get("redirect_uri", "")
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


def redirect_url(query: Mapping[str, str], **answer: str) -> str:
    """Return the redirect address with our answer and the state added to its query."""
    parts = urlsplit(query["redirect_uri"])
    pairs = [*parse_qsl(parts.query, keep_blank_values=True), *answer.items()]
    if query.get("state"):
        pairs.append(("state", query["state"]))
    return urlunsplit(parts._replace(query=urlencode(pairs)))
