"""Actions of admins: connect, return from the partner, choose ad accounts, disconnect."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from audiencesync.core import crypto, htmx
from audiencesync.groups import access, reauthentication
from audiencesync.groups.models import Role, User
from partners import audiences, sync
from partners.base import Partner
from partners.connections import affected, oauth, swap
from partners.connections import connect as connecting
from partners.connections.affected import AffectedStep
from partners.connections.connect import AlreadyChosen
from partners.connections.oauth import NotAuthorized, Offer
from partners.connections.revoke import Revocation
from partners.errors import PartnerError
from partners.models import AdAccount, Connection, OAuthState
from partners.queue import park
from partners.views.forms import ChooseForm, DisconnectForm
from partners.views.pages import connection_of, get_ad_account, known


@require_POST
@access.signed_in
def connect(request: HttpRequest, group: str, partner: str) -> HttpResponse:
    """Send an admin to the partner's consent page; also to change the account.

    A change that steps feel is confirmed before (change.py). From then on the queue is held.
    """
    app_group, found = access.group(request, Role.ADMIN), known(partner)
    if not found.is_configured():
        messages.error(request, oauth.not_configured(found))
        return redirect("partner", group, partner)
    connection = connection_of(request, app_group, found)
    is_change = connection is not None and connection.is_connected
    if connection and is_change and "confirm" not in request.POST and affected.steps_of(connection):
        return redirect("change_account", group, partner)
    reauthentication.require(request)
    user, now = access.user(request), timezone.now()
    url = oauth.begin(app_group, found, by=user, session=request.session, now=now)
    if connection and is_change:
        swap.begin(connection, by=user, now=now)
    return HttpResponseRedirect(url)


@csrf_exempt  # a POST changes nothing here and gets a page that says so
@sensitive_variables()
def callback(request: HttpRequest, partner: str) -> HttpResponse:
    """Take the return from the partner.

    The one GET that changes something, because the partner sends people by GET.
    """
    found = known(partner)
    try:
        if request.method != "GET":
            raise NotAuthorized(
                _("This address is only for the return from the partner. Nothing was stored.")
            )
        if not request.user.is_authenticated:
            raise NotAuthorized(
                _(
                    "You are not signed in on this browser. Sign in and connect again. Nothing was "
                    "stored."
                )
            )
        user = access.user(request)
        state = oauth.receive(
            request.GET, found, user=user, session=request.session, now=timezone.now()
        )
    except NotAuthorized as problem:
        if problem.app_group and not problem.is_repeated:
            swap.end_of(problem.app_group, found.key, now=timezone.now())
        response = not_authorized(request, problem, found)
        if request.method != "GET":
            response.status_code, response["Allow"] = 405, "GET"
    else:
        swap.extend_of(state.app_group, found.key, now=timezone.now())
        response = redirect("choose_ad_accounts", state.app_group.slug, partner, state.pk)
    response["Referrer-Policy"] = "no-referrer"
    add_never_cache_headers(response)
    response["Cache-Control"] = "no-store"
    return response


def not_authorized(request: HttpRequest, problem: NotAuthorized, partner: Partner) -> HttpResponse:
    """Return the page that explains why nothing was connected, with a way back."""
    user = request.user if isinstance(request.user, User) else None
    back = oauth.return_url(user, partner, problem.app_group) if user else reverse("account_login")
    state = problem.open_state
    context = {
        "partner": partner,
        "sentence": problem.sentence,
        "back": back,
        "go_on": reverse("choose_ad_accounts", args=[state.app_group.slug, partner.key, state.pk])
        if state
        else "",
    }
    return render(request, "partners/not_authorized.html", context, status=400)


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def choose(request: HttpRequest, group: str, partner: str, state_id: int) -> HttpResponse:
    """Choose ad accounts from an offer: same user, same browser, within an hour."""
    now, found = timezone.now(), known(partner)
    mine = {
        "user": access.user(request),
        "session_hash": oauth.session_hash(request.session),
        "partner": found.key,
    }
    state = access.get(request, OAuthState, Role.ADMIN, pk=state_id, **mine)
    if not oauth.is_open(state, now=now):
        return _closed(request, state, found)
    offer = Offer.of(state)
    if request.method != "POST" or "act" in request.POST:
        return _choice_page(request, state, offer, ticked=_ticked(request, state, offer))
    form = ChooseForm(request.POST, offer=offer, partner=found)
    lost = _lost(form, state, _changes_user(state, offer)) if form.is_valid() else []
    if not form.is_valid():
        ticked = set(request.POST.getlist("ad_accounts"))
        return _choice_page(request, state, offer, ticked=ticked, form=form, lost=lost, status=422)
    try:
        connection = connecting.choose(state, form.cleaned_data["ad_accounts"], now=now)
    except (AlreadyChosen, crypto.CannotOpen):
        return _closed(request, state, found)
    audiences.refresh_first(connection, now=now)
    park.end_swap(connection.pk, now=timezone.now())
    messages.success(
        request, _connected(len(form.cleaned_data["ad_accounts"]), sync.n_sendable(connection))
    )
    return redirect("partner", group, partner)


def _connected(n: int, n_waiting: int) -> str:
    """Return what was connected, and how many pending people are sent now."""
    text = ngettext("Connected %(n)d ad account", "Connected %(n)d ad accounts", n) % {"n": n}
    if not n_waiting:
        return text
    waiting = ngettext(
        "%(n)s waiting person is being sent now.",
        "%(n)s waiting people are being sent now.",
        n_waiting,
    )
    return f"{text}. {waiting % {'n': number_format(n_waiting)}}"


def _closed(request: HttpRequest, state: OAuthState, partner: Partner) -> HttpResponse:
    """Answer a request for an offer that is used (a second click), too old, or given up.

    A disconnect deletes it.
    """
    if OAuthState.objects.filter(pk=state.pk, chosen_at__isnull=False).exists():
        messages.info(
            request,
            _("The ad accounts have already been saved; press Change account to choose others."),
        )
        return redirect("partner", state.app_group.slug, partner.key)
    sentence = _(
        "More than an hour has passed since you came back from the partner, or the connection was "
        "disconnected meanwhile. Nothing was stored; connect again."
    )
    return not_authorized(request, NotAuthorized(sentence, state.app_group), partner)


def _ticked(request: HttpRequest, state: OAuthState, offer: Offer) -> set[str]:
    """Return the ids to tick: of connected accounts and those that live steps need.

    For Search and Select all, the posted ones.
    """
    if request.method != "POST":
        return connecting.known_ad_accounts(state)
    ticked = set(request.POST.getlist("ad_accounts"))
    if request.POST["act"] == "all":
        ticked |= {
            one.id for one in offer.ad_accounts if _matches(one.name + one.id, _search(request))
        }
    return ticked


def _changes_user(state: OAuthState, offer: Offer) -> list[AffectedStep]:
    """Return the steps that would go on with the access of another user of the partner."""
    connection = Connection.objects.filter(
        app_group=state.app_group, partner=state.partner, remote_user_id__gt=""
    )
    former = connection.exclude(token_sealed="").exclude(remote_user_id=offer.user.id).first()
    return affected.steps_of(former) if former else []


def _lost(form: ChooseForm, state: OAuthState, going_on: list[AffectedStep]) -> list[AffectedStep]:
    """Return the steps that this choice would break; add an error unless that is confirmed.

    ``going_on``: with the access of another user, which wants a confirmation, too.
    """
    chosen = form.cleaned_data["ad_accounts"]
    try:
        lost = affected.steps_losing_accounts(
            state.app_group, state.partner, chosen
        ) + affected.steps_losing_audiences(state, chosen)
    except (PartnerError, crypto.CannotOpen):
        form.add_error(
            None,
            _(
                "We cannot check right now whether your components will keep working. Try again in "
                "a minute."
            ),
        )
        return []
    if lost and not form.cleaned_data["confirm"]:
        form.add_error(
            "confirm",
            _(
                "Confirm that the components named here may stop sending, or choose their ad "
                "accounts."
            ),
        )
    elif going_on and not form.cleaned_data["confirm"]:
        text = _("Confirm that the components named here go on with the access of another user.")
        form.add_error("confirm", text)
    return lost


def _choice_page(
    request: HttpRequest,
    state: OAuthState,
    offer: Offer,
    *,
    ticked: set[str],
    form: ChooseForm | None = None,
    lost: list[AffectedStep] | None = None,
    status: int = 200,
) -> HttpResponse:
    q, partner = _search(request), known(state.partner)
    reached = [one.id for one in offer.ad_accounts]
    if lost is None:
        lost = affected.steps_losing_accounts(state.app_group, state.partner, reached)
    broken = {(one.label, one.url) for one in lost}
    going_on = _changes_user(state, offer)
    shown = [one for one in offer.ad_accounts if _matches(one.name + one.id, q)]
    context = {
        "partner": partner,
        "offer": offer,
        "rows": [(one, one.id in ticked) for one in shown],
        "hidden": sorted(ticked & set(reached) - {one.id for one in shown}),
        "q": q,
        "form": form or ChooseForm(offer=offer, partner=partner),
        "connection": connection_of(request, state.app_group, partner),
        "lost": lost,
        "going_on": [one for one in going_on if (one.label, one.url) not in broken],
    }
    return render(request, "partners/choose.html", context, status=status)


def _search(request: HttpRequest) -> str:
    return str(request.POST.get("q", request.GET.get("q", ""))).strip()[:200]


def _matches(text: str, q: str) -> bool:
    return q.casefold() in text.casefold()


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def disconnect(request: HttpRequest, group: str, partner: str) -> HttpResponse:
    """Confirm, then disconnect the whole connection."""
    app_group, found = access.group(request, Role.ADMIN), known(partner)
    connection = connection_of(request, app_group, found)
    if connection is None or not connection.is_connected:
        messages.info(request, _("%(partner)s is not connected.") % {"partner": found.label})
        return redirect("partner", group, partner)
    return _disconnect(request, connection, name=found.label, partner=found)


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def disconnect_ad_account(
    request: HttpRequest, group: str, partner: str, ad_account_id: int
) -> HttpResponse:
    """Confirm, then disconnect one ad account."""
    ad_account = get_ad_account(request, partner, ad_account_id, Role.ADMIN)
    return _disconnect(request, ad_account, name=ad_account.name, partner=known(partner))


def _disconnect(
    request: HttpRequest, subject: Connection | AdAccount, *, name: str, partner: Partner
) -> HttpResponse:
    steps = affected.steps_of(subject)
    n_pending = sum(step.n_pending for step in steps)
    is_confirmed = request.method == "POST"
    form = DisconnectForm(
        request.POST if is_confirmed else None, n_pending=n_pending, partner=partner
    )
    back = reverse("partner", args=[access.group(request).slug, partner.key])
    if not (is_confirmed and form.is_valid()):
        context: dict[str, Any] = {
            "partner": partner,
            "name": name,
            "affected": steps,
            "n_pending": n_pending,
            "form": form,
            "back": back,
            "is_whole": isinstance(subject, Connection),
        }
        is_fragment = htmx.asks(request)
        template = "partners/disconnect.html" + ("#ask" if is_fragment else "")
        return render(request, template, context, status=422 if is_confirmed else 200)
    reauthentication.require(request)
    done = connecting.disconnect(
        subject, discard=form.is_discard, by=access.user(request), now=timezone.now()
    )
    _report_disconnect(request, done, name=name, partner=partner)
    return redirect(back)


def _report_disconnect(
    request: HttpRequest, done: connecting.DisconnectResult, *, name: str, partner: Partner
) -> None:
    text = _("%(name)s is disconnected.") % {"name": name}
    if done.n_discarded:
        people = ngettext(
            "%(n)s person was discarded.", "%(n)s people were discarded.", done.n_discarded
        )
        text = f"{text} {people % {'n': number_format(done.n_discarded)}}"
    messages.success(request, text)
    warnings = {
        Revocation.RETRYING: _(
            "%(partner)s did not confirm that our access was revoked. We no longer use it and ask "
            "again for a day; to be sure, remove the app in the settings of your %(partner)s "
            "account too."
        ),
        Revocation.REFUSED: _(
            "%(partner)s did not confirm that our access was revoked, and asking again would not "
            "help. We no longer use it; please remove the app in the settings of your %(partner)s "
            "account too."
        ),
    }
    if done.revocation in warnings:
        messages.warning(request, warnings[done.revocation] % {"partner": partner.label})
