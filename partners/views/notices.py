"""The page Notifications: who is notified of which incidents, the thresholds, the webhook."""

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

NEW_WEBHOOK_KEY = "new_webhook"
"""Session key: the group whose new secret the next GET of the page shows."""
TESTS_PER_HOUR = 30


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def notices(request: HttpRequest, group: str) -> HttpResponse:
    """Show and save what members are notified of. Admins do so for all, others for themselves."""
    app_group = access.group(request)
    data = request.POST if request.method == "POST" else None
    choice_forms = of_members(_members(request), data)
    bound_forms = [form for _member, form in choice_forms if form.is_bound]
    if bound_forms and all(form.is_valid() for form in bound_forms):
        for member, form in choice_forms:
            if form.is_bound and (changes := form.changed()):
                NoticeChoice.objects.update_or_create(membership=member, defaults=changes)
        messages.success(request, _("Saved."))
        return redirect("notices", group)
    return _render_page(request, app_group, choice_forms, WebhookForm(instance=_webhook(app_group)))


@require_POST
@access.signed_in
def set_thresholds(request: HttpRequest, group: str) -> HttpResponse:
    """Save the thresholds at which the group is warned."""
    app_group = access.group(request, Role.ADMIN)
    before = _threshold_values(_thresholds(app_group))
    form = ThresholdsForm(request.POST, instance=_thresholds(app_group), partners=registry.PARTNERS)
    if not form.is_valid():
        return _render_page(
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
        reconcile.after_commit(app_group.pk)
    messages.success(request, _("Saved."))
    return redirect("notices", group)


@require_POST
@access.signed_in
def webhook(request: HttpRequest, group: str) -> HttpResponse:
    """Save the webhook with a new secret, which is shown once."""
    app_group = access.group(request, Role.ADMIN)
    former_webhook = _webhook(app_group)
    form = WebhookForm(request.POST, instance=Webhook(app_group=app_group))
    if not form.is_valid():
        return _render_page(request, app_group, of_members(_members(request)), form, status=422)
    reauthentication.require(request)
    form.instance.renew_secret()
    values = {
        "url": form.instance.url,
        "secret_sealed": form.instance.secret_sealed,
        "created_by": access.user(request),
        "answered_at": None,
    }
    Webhook.objects.update_or_create(app_group=app_group, defaults=values)
    request.session[NEW_WEBHOOK_KEY] = app_group.pk
    _log_webhook(
        request,
        app_group,
        _host_of(former_webhook.url) if former_webhook else "",
        _host_of(form.instance.url),
    )
    return redirect("notices", group)


@require_POST
@access.signed_in
def webhook_remove(request: HttpRequest, group: str) -> HttpResponse:
    """Delete the webhook with its waiting calls."""
    app_group = access.group(request, Role.ADMIN)
    stored = _webhook(app_group)
    if stored is not None:
        reauthentication.require(request)
        if Webhook.objects.filter(pk=stored.pk).delete()[0]:
            _log_webhook(request, app_group, _host_of(stored.url), "")
        messages.success(request, _("The webhook was removed."))
    return redirect("notices", group)


@require_POST
@access.signed_in
def webhook_test(request: HttpRequest, group: str) -> HttpResponse:
    """Post a test to the webhook and say whether it was accepted."""
    app_group, now = access.group(request, Role.ADMIN), timezone.now()
    stored = _webhook(app_group)
    if stored is None:
        return redirect("notices", group)
    limit = TESTS_PER_HOUR
    if rate_limits.count_in(app_group, "webhook tests", limit, seconds=3600, now=now).is_over:
        messages.error(request, _("At most %(n)d tests an hour. Try again later.") % {"n": limit})
    elif webhooks.post(stored, webhooks.body_of_test(stored), delivery=str(uuid4()), now=now):
        messages.success(request, _("The webhook accepted the test."))
    else:
        messages.error(request, _("The webhook did not accept the test; its answer stands below."))
    return redirect("notices", group)


def _render_page(
    request: HttpRequest,
    app_group: AppGroup,
    choice_forms: list[tuple[Membership, ChoiceForm]],
    webhook_form: WebhookForm,
    *,
    thresholds_form: ThresholdsForm | None = None,
    status: int = 200,
) -> HttpResponse:
    if thresholds_form is None:
        row = _thresholds(app_group)
        thresholds_form = ThresholdsForm(instance=row, partners=registry.PARTNERS)
    context = {
        "forms": choice_forms,
        "thresholds_form": thresholds_form,
        "webhook": _webhook(app_group),
        "webhook_form": webhook_form,
        "secret": _new_secret(request, app_group),
    }
    is_invalid = any(form.errors for _member, form in choice_forms)
    response = render(
        request, "partners/notices.html", context, status=422 if is_invalid else status
    )
    response["Cache-Control"] = "no-store"
    return response


def _members(request: HttpRequest) -> list[Membership]:
    rows = access.all_of(request, Membership).select_related("user", "notice_choice")
    if not access.membership(request).may(Role.ADMIN):
        rows = rows.filter(user=access.user(request))
    return list(rows.filter(user__is_active=True).order_by("user__name", "user__email"))


def _thresholds(app_group: AppGroup) -> Thresholds:
    row = Thresholds.objects.filter(app_group=app_group).first()
    return row or Thresholds(app_group=app_group)


def _threshold_values(row: Thresholds) -> dict[str, int | None]:
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


def _host_of(url: str) -> str:
    """Return the host for the activity log; the rest of the address may contain a secret."""
    return urlsplit(url).netloc


@sensitive_variables()
def _new_secret(request: HttpRequest, app_group: AppGroup) -> str:
    """Return the secret at the first GET after a webhook was saved; otherwise empty."""
    if request.method != "GET" or NEW_WEBHOOK_KEY not in request.session:
        return ""
    row = _webhook(app_group) if request.session.pop(NEW_WEBHOOK_KEY) == app_group.pk else None
    try:
        # Show the stored secret: if two are saved at the same time, the stored one signs the calls.
        return row.secret if row else ""
    except crypto.CannotOpen:
        return ""


def _log_webhook(request: HttpRequest, app_group: AppGroup, before: str, after: str) -> None:
    changes = [(gettext_lazy("Webhook"), before or None, after or None)]
    by, kind = access.user(request), Activity.Kind.GROUP
    Activity.log(app_group, by, Activity.Verb.CHANGED, app_group.name, kind=kind, changes=changes)
