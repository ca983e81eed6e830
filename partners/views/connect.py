"""Actions of admins: connect, return from the partner, choose ad accounts, disconnect."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
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
from partners.views.pages import connection_of, get_ad_account, partner_or_404


@require_POST
@access.signed_in
def connect(request: HttpRequest, group: str, partner_key: str) -> HttpResponse:
    """Send an admin to the partner's consent page, to connect or to change the account.

    A change that affects steps must be confirmed first (change.py). After that, nothing is sent
    until the change ends (a swap).
    """
    app_group, partner = access.group(request, Role.ADMIN), partner_or_404(partner_key)
    if not partner.is_configured():
        messages.error(request, oauth.not_configured_text(partner))
        return redirect("partner", group, partner_key)
    connection = connection_of(request, app_group, partner)
    is_change = connection is not None and connection.is_connected
    if connection and is_change and "confirm" not in request.POST and affected.steps_of(connection):
        return redirect("change_account", group, partner_key)
    reauthentication.require(request)
    user, now = access.user(request), timezone.now()
    url = oauth.begin(app_group, partner, by=user, session=request.session, now=now)
    if connection and is_change:
        swap.begin(connection, by=user, now=now)
    return HttpResponseRedirect(url)


@csrf_exempt  # a POST changes nothing here and gets a page that says so
@sensitive_variables()
def callback(request: HttpRequest, partner_key: str) -> HttpResponse:
    """Handle the return from the partner's consent page.

    This is the only GET that changes something: the partner redirects users here.
    """
    partner = partner_or_404(partner_key)
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
            request.GET, partner, user=user, session=request.session, now=timezone.now()
        )
    except NotAuthorized as error:
        if error.app_group and not error.is_repeated:
            swap.end(error.app_group, partner.key, now=timezone.now())
        response = not_authorized_page(request, error, partner)
        if request.method != "GET":
            response.status_code, response["Allow"] = 405, "GET"
    else:
        swap.extend(state.app_group, partner.key, now=timezone.now())
        response = redirect("choose_ad_accounts", state.app_group.slug, partner_key, state.pk)
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "no-store"
    return response


def not_authorized_page(
    request: HttpRequest, error: NotAuthorized, partner: Partner
) -> HttpResponse:
    """Return the page that explains why nothing was connected, with a way back."""
    user = request.user if isinstance(request.user, User) else None
    back = oauth.return_url(user, partner, error.app_group) if user else reverse("account_login")
    state = error.open_state
    context = {
        "partner": partner,
        "sentence": error.sentence,
        "back": back,
        "go_on": reverse("choose_ad_accounts", args=[state.app_group.slug, partner.key, state.pk])
        if state
        else "",
    }
    return render(request, "partners/not_authorized.html", context, status=400)


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def choose(request: HttpRequest, group: str, partner_key: str, state_id: int) -> HttpResponse:
    """Choose ad accounts from an offer; by the same user in the same browser, within an hour."""
    now, partner = timezone.now(), partner_or_404(partner_key)
    owner = {
        "user": access.user(request),
        "session_hash": oauth.session_hash(request.session),
        "partner": partner.key,
    }
    state = access.get(request, OAuthState, Role.ADMIN, pk=state_id, **owner)
    if not oauth.is_open(state, now=now):
        return _closed_offer_response(request, state, partner)
    offer = Offer.of(state)
    if request.method != "POST" or "act" in request.POST:
        return _choice_page(request, state, offer, _ticked_ids(request, state, offer))
    form = ChooseForm(request.POST, offer=offer, partner=partner)
    lost_steps = _lost_steps(form, state, offer)
    if not form.is_valid():
        ticked = set(request.POST.getlist("ad_accounts"))
        return _choice_page(request, state, offer, ticked, form=form, lost=lost_steps, status=422)
    try:
        connection = connecting.choose(state, form.cleaned_data["ad_accounts"], now=now)
    except (AlreadyChosen, crypto.CannotOpen):
        return _closed_offer_response(request, state, partner)
    audiences.refresh_first(connection, now=now)
    park.end_swap(connection.pk, now=timezone.now())
    messages.success(
        request, _connected_text(len(form.cleaned_data["ad_accounts"]), sync.n_sendable(connection))
    )
    return redirect("partner", group, partner_key)


def _connected_text(n: int, n_waiting: int) -> str:
    """Return the message after a choice: how many ad accounts, and how many people are sent now."""
    text = ngettext("Connected %(n)d ad account", "Connected %(n)d ad accounts", n) % {"n": n}
    if not n_waiting:
        return text
    waiting = ngettext(
        "%(n)s waiting person is being sent now.",
        "%(n)s waiting people are being sent now.",
        n_waiting,
    )
    return f"{text}. {waiting % {'n': number_format(n_waiting)}}"


def _closed_offer_response(
    request: HttpRequest, state: OAuthState, partner: Partner
) -> HttpResponse:
    """Answer a request for an offer that was used (a second click), is too old, or was deleted.

    A disconnect deletes offers.
    """
    if OAuthState.objects.filter(pk=state.pk, chosen_at__isnull=False).exists():
        messages.info(
            request,
            _("The ad accounts have already been saved; press Change account to choose others."),
        )
        return redirect("partner", state.app_group.slug, partner.key)
    gone = NotAuthorized(oauth.offer_gone_text(), state.app_group)
    return not_authorized_page(request, gone, partner)


def _ticked_ids(request: HttpRequest, state: OAuthState, offer: Offer) -> set[str]:
    """Return the ids to tick: of connected accounts and those that live steps need.

    After Search, these are the posted ids; after Select all, also those that the search matches.
    """
    if request.method != "POST":
        return connecting.ids_to_tick(state)
    ticked = set(request.POST.getlist("ad_accounts"))
    if request.POST["act"] == "all":
        ticked |= {
            ad_account.id
            for ad_account in offer.ad_accounts
            if _matches(ad_account.name + ad_account.id, _search_text(request))
        }
    return ticked


def _steps_changing_user(state: OAuthState, offer: Offer) -> list[AffectedStep]:
    """Return the steps that would be sent through another user of the partner than before."""
    connections = Connection.objects.filter(
        app_group=state.app_group, partner=state.partner, remote_user_id__gt=""
    )
    of_others = connections.exclude(token_sealed="").exclude(remote_user_id=offer.user.id)
    former = of_others.first()
    return affected.steps_of(former) if former else []


def _lost_steps(form: ChooseForm, state: OAuthState, offer: Offer) -> list[AffectedStep]:
    """Return the steps that a valid choice would break. Add a form error if it needs confirmation.

    It needs one if steps break, or are sent through another user of the partner.
    """
    if not form.is_valid():
        return []
    chosen_ids = form.cleaned_data["ad_accounts"]
    try:
        lost_steps = affected.steps_losing_accounts(
            state.app_group, state.partner, chosen_ids
        ) + affected.steps_losing_audiences(state, chosen_ids)
    except (PartnerError, crypto.CannotOpen):
        form.add_error(
            None,
            _(
                "We cannot check right now whether your components will keep working. Try again in "
                "a minute."
            ),
        )
        return []
    if lost_steps and not form.cleaned_data["confirm"]:
        form.add_error(
            "confirm",
            _(
                "Confirm that the components named here may stop sending, or choose their ad "
                "accounts."
            ),
        )
    elif _steps_changing_user(state, offer) and not form.cleaned_data["confirm"]:
        text = _("Confirm that the components named here go on with the access of another user.")
        form.add_error("confirm", text)
    return lost_steps


def _choice_page(
    request: HttpRequest,
    state: OAuthState,
    offer: Offer,
    ticked: set[str],
    *,
    form: ChooseForm | None = None,
    lost: list[AffectedStep] | None = None,
    status: int = 200,
) -> HttpResponse:
    search, partner = _search_text(request), partner_or_404(state.partner)
    offered_ids = [ad_account.id for ad_account in offer.ad_accounts]
    if lost is None:
        lost = affected.steps_losing_accounts(state.app_group, state.partner, offered_ids)
    lost_keys = {(step.label, step.url) for step in lost}
    ad_accounts = [one for one in offer.ad_accounts if _matches(one.name + one.id, search)]
    shown_ids = {ad_account.id for ad_account in ad_accounts}
    context = {
        "partner": partner,
        "offer": offer,
        "rows": [(ad_account, ad_account.id in ticked) for ad_account in ad_accounts],
        "hidden": sorted(ticked & set(offered_ids) - shown_ids),
        "q": search,
        "form": form or ChooseForm(offer=offer, partner=partner),
        "connection": connection_of(request, state.app_group, partner),
        "lost": lost,
        "going_on": [
            step
            for step in _steps_changing_user(state, offer)
            if (step.label, step.url) not in lost_keys
        ],
    }
    return render(request, "partners/choose.html", context, status=status)


def _search_text(request: HttpRequest) -> str:
    return str(request.POST.get("q", request.GET.get("q", ""))).strip()[:200]


def _matches(text: str, search: str) -> bool:
    return search.casefold() in text.casefold()


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def disconnect(request: HttpRequest, group: str, partner_key: str) -> HttpResponse:
    """Confirm, then disconnect the whole connection."""
    app_group, partner = access.group(request, Role.ADMIN), partner_or_404(partner_key)
    connection = connection_of(request, app_group, partner)
    if connection is None or not connection.is_connected:
        messages.info(request, _("%(partner)s is not connected.") % {"partner": partner.label})
        return redirect("partner", group, partner_key)
    return _disconnect(request, connection, name=partner.label, partner=partner)


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def disconnect_ad_account(
    request: HttpRequest, group: str, partner_key: str, ad_account_id: int
) -> HttpResponse:
    """Confirm, then disconnect one ad account."""
    ad_account = get_ad_account(request, partner_key, ad_account_id, Role.ADMIN)
    return _disconnect(
        request, ad_account, name=ad_account.name, partner=partner_or_404(partner_key)
    )


def _disconnect(
    request: HttpRequest, subject: Connection | AdAccount, *, name: str, partner: Partner
) -> HttpResponse:
    steps = affected.steps_of(subject)
    n_pending = sum(step.n_pending for step in steps)
    is_post = request.method == "POST"
    form = DisconnectForm(request.POST if is_post else None, n_pending=n_pending, partner=partner)
    back_url = reverse("partner", args=[access.group(request).slug, partner.key])
    if not (is_post and form.is_valid()):
        context: dict[str, Any] = {
            "partner": partner,
            "name": name,
            "affected": steps,
            "n_pending": n_pending,
            "form": form,
            "back": back_url,
            "is_whole": isinstance(subject, Connection),
        }
        is_fragment = htmx.asks(request)
        template = "partners/disconnect.html" + ("#ask" if is_fragment else "")
        return render(request, template, context, status=422 if is_post else 200)
    reauthentication.require(request)
    result = connecting.disconnect(
        subject, discard=form.is_discard, by=access.user(request), now=timezone.now()
    )
    _report_disconnect(request, result, name=name, partner=partner)
    return redirect(back_url)


def _report_disconnect(
    request: HttpRequest, result: connecting.DisconnectResult, *, name: str, partner: Partner
) -> None:
    message = _("%(name)s is disconnected.") % {"name": name}
    if result.n_discarded:
        people = ngettext(
            "%(n)s person was discarded.", "%(n)s people were discarded.", result.n_discarded
        )
        message = f"{message} {people % {'n': number_format(result.n_discarded)}}"
    messages.success(request, message)
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
    if result.revocation in warnings:
        messages.warning(request, warnings[result.revocation] % {"partner": partner.label})
