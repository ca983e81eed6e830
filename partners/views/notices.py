"""The page Notifications: who hears of which incidents, from when, and the webhook."""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import uuid4

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from audiencesync.core import crypto
from audiencesync.groups import access, rate_limits, reauthentication
from audiencesync.groups.models import Activity, AppGroup, Membership, Role
from partners import registry
from partners.incidents import reconcile
from partners.models import NoticeChoice, Thresholds, Webhook
from partners.notices import webhooks
from partners.notices.forms import ChoiceForm, ThresholdsForm, WebhookForm, of_members

SHOWN_ONCE = "new_webhook"  # session key: the group whose secret the next look at the page shows
TESTS_PER_HOUR = 30


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def notices(request: HttpRequest, group: str) -> HttpResponse:
    """Show and save the choices: admins those of all members, others their own."""
    app_group = access.group(request)
    data = request.POST if request.method == "POST" else None
    forms = of_members(_members(request), data)
    bound = [form for _member, form in forms if form.is_bound]
    if bound and all(form.is_valid() for form in bound):
        for member, form in forms:
            if form.is_bound and (chosen := form.changed()):
                NoticeChoice.objects.update_or_create(membership=member, defaults=chosen)
        messages.success(request, _("Saved."))
        return redirect("notices", group)
    return _page(request, app_group, forms, WebhookForm(instance=_webhook(app_group)))


@require_POST
@access.signed_in
def set_thresholds(request: HttpRequest, group: str) -> HttpResponse:
    """Save from when the group is warned."""
    app_group = access.group(request, Role.ADMIN)
    before = _values(_thresholds(app_group))
    form = ThresholdsForm(request.POST, instance=_thresholds(app_group), partners=registry.PARTNERS)
    if not form.is_valid():
        return _page(
            request,
            app_group,
            of_members(_members(request)),
            WebhookForm(instance=_webhook(app_group)),
            thresholds_form=form,
            status=422,
        )
    with transaction.atomic():
        Thresholds.objects.update_or_create(app_group=app_group, defaults=form.changed())
        _log_thresholds(request, app_group, before, form)
        reconcile.soon(app_group.pk)
    messages.success(request, _("Saved."))
    return redirect("notices", group)


@require_POST
@access.signed_in
def webhook(request: HttpRequest, group: str) -> HttpResponse:
    """Save the webhook with a new secret, which is shown once."""
    app_group = access.group(request, Role.ADMIN)
    former = _webhook(app_group)
    form = WebhookForm(request.POST, instance=Webhook(app_group=app_group))
    if not form.is_valid():
        return _page(request, app_group, of_members(_members(request)), form, status=422)
    reauthentication.require(request)
    form.instance.renew_secret()
    values = {
        "url": form.instance.url,
        "secret_sealed": form.instance.secret_sealed,
        "created_by": access.user(request),
        "answered_at": None,
    }
    Webhook.objects.update_or_create(app_group=app_group, defaults=values)
    request.session[SHOWN_ONCE] = app_group.pk
    _log(request, app_group, _host(former.url) if former else "", _host(form.instance.url))
    return redirect("notices", group)


@require_POST
@access.signed_in
def webhook_remove(request: HttpRequest, group: str) -> HttpResponse:
    """Delete the webhook with its waiting calls."""
    app_group = access.group(request, Role.ADMIN)
    row = _webhook(app_group)
    if row is not None:
        reauthentication.require(request)
        if Webhook.objects.filter(pk=row.pk).delete()[0]:
            _log(request, app_group, _host(row.url), "")
        messages.success(request, _("The webhook was removed."))
    return redirect("notices", group)


@require_POST
@access.signed_in
def webhook_test(request: HttpRequest, group: str) -> HttpResponse:
    """Post a test to the webhook and say what it answered."""
    app_group, now = access.group(request, Role.ADMIN), timezone.now()
    row = _webhook(app_group)
    if row is None:
        return redirect("notices", group)
    limit = TESTS_PER_HOUR
    if rate_limits.count_in(app_group, "webhook tests", limit, seconds=3600, now=now).is_over:
        messages.error(request, _("At most %(n)d tests an hour. Try again later.") % {"n": limit})
    elif webhooks.post(row, webhooks.body_of_test(row), delivery=str(uuid4()), now=now):
        messages.success(request, _("The webhook accepted the test."))
    else:
        messages.error(request, _("The webhook did not accept the test; its answer stands below."))
    return redirect("notices", group)


def _page(
    request: HttpRequest,
    app_group: AppGroup,
    forms: list[tuple[Membership, ChoiceForm]],
    webhook_form: WebhookForm,
    *,
    thresholds_form: ThresholdsForm | None = None,
    status: int = 200,
) -> HttpResponse:
    if thresholds_form is None:
        row = _thresholds(app_group)
        thresholds_form = ThresholdsForm(instance=row, partners=registry.PARTNERS)
    context = {
        "forms": forms,
        "thresholds_form": thresholds_form,
        "webhook": _webhook(app_group),
        "webhook_form": webhook_form,
        "secret": _shown_once(request, app_group),
    }
    invalid = any(form.errors for _member, form in forms)
    answer = render(request, "partners/notices.html", context, status=422 if invalid else status)
    answer["Cache-Control"] = "no-store"
    return answer


def _members(request: HttpRequest) -> list[Membership]:
    rows = access.all_of(request, Membership).select_related("user", "notice_choice")
    if not access.membership(request).may(Role.ADMIN):
        rows = rows.filter(user=access.user(request))
    return list(rows.filter(user__is_active=True).order_by("user__name", "user__email"))


def _thresholds(app_group: AppGroup) -> Thresholds:
    row = Thresholds.objects.filter(app_group=app_group).first()
    return row or Thresholds(app_group=app_group)


def _values(row: Thresholds) -> dict[str, int | None]:
    return {name: getattr(row, name) for name in ThresholdsForm.Meta.fields}


def _log_thresholds(
    request: HttpRequest, app_group: AppGroup, before: dict[str, int | None], form: ThresholdsForm
) -> None:
    after = form.cleaned_data
    changes = [
        (ThresholdsForm.Meta.labels[name], value, after[name])
        for name, value in before.items()
        if value != after[name]
    ]
    if changes:
        by, kind = access.user(request), Activity.Kind.GROUP
        verb = Activity.Verb.CHANGED
        Activity.log(app_group, by, verb, app_group.name, kind=kind, changes=changes)


def _webhook(app_group: AppGroup) -> Webhook | None:
    return Webhook.objects.filter(app_group=app_group).first()


def _host(url: str) -> str:
    """Return what the log may name: the rest of the address may hold a secret."""
    return urlsplit(url).netloc


@sensitive_variables()
def _shown_once(request: HttpRequest, app_group: AppGroup) -> str:
    if request.method != "GET" or SHOWN_ONCE not in request.session:
        return ""
    row = _webhook(app_group) if request.session.pop(SHOWN_ONCE) == app_group.pk else None
    try:
        # The stored one: of two that were made at once, it is the one that signs.
        return row.secret if row else ""
    except crypto.CannotOpen:
        return ""


def _log(request: HttpRequest, app_group: AppGroup, before: str, after: str) -> None:
    changes = [(gettext_lazy("Webhook"), before or None, after or None)]
    by, kind = access.user(request), Activity.Kind.GROUP
    Activity.log(app_group, by, Activity.Verb.CHANGED, app_group.name, kind=kind, changes=changes)
