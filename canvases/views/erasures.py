"""Erase profiles by external id, list the receipts, release a suppressed identity."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from audiencesync.core import htmx
from audiencesync.groups import access, reauthentication
from audiencesync.groups.models import AppGroup, Role
from audiencesync.people.models import Erasure
from audiencesync.people.privacy import erasure_ledger
from audiencesync.people.segments import edit
from audiencesync.people.writing import lookup
from canvases.privacy import erase as privacy
from partners import registry

MAX_IDS = 1000
PAGE = 25


class EraseForm(forms.Form):
    """External ids, one per line."""

    ids = forms.CharField(
        label=_("External IDs, one per line"),
        help_text=_(
            "At most 1,000. E-mail addresses are not needed: find the person, and copy the ID."
        ),
        max_length=MAX_IDS * 400,
        widget=forms.Textarea({"rows": 8, "spellcheck": "false"}),
    )

    def clean_ids(self) -> list[str]:
        """Return each id once."""
        lines = (line.strip() for line in self.cleaned_data["ids"].splitlines())
        ids = list(dict.fromkeys(line for line in lines if line))
        if len(ids) > MAX_IDS:
            raise forms.ValidationError(_("These are more than 1,000. Erase them in several goes."))
        return ids


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def erase(request: HttpRequest, group: str) -> HttpResponse:
    """Look up the ids, confirm with the number found, then erase the profiles."""
    app_group = access.group(request, Role.ADMIN)
    form = EraseForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(
            request, "canvases/erase.html", {"form": form}, status=422 if form.errors else 200
        )
    ids: list[str] = form.cleaned_data["ids"]
    profile_of = _profile_ids(app_group, ids)
    if "sure" not in request.POST or not profile_of:
        unknown = [external_id for external_id in ids if external_id not in profile_of]
        context = {
            "form": form,
            "n": len(profile_of),
            "n_unknown": len(unknown),
            "unknown": unknown[:20],
            "is_question": True,
            "segments": edit.segments_about(app_group, profile_of.values()),
        }
        return render(request, "canvases/erase.html", context)
    reauthentication.require(request)
    n = len(
        privacy.erase_by(
            access.user(request), app_group, list(profile_of.values()), now=timezone.now()
        )
    )
    text = ngettext(
        "%(n)d person is hidden now and leaves every audience.",
        "%(n)d people are hidden now and leave every audience.",
        n,
    )
    messages.success(request, text % {"n": n})
    return redirect("erasures", group)


def _profile_ids(app_group: AppGroup, ids: list[str]) -> dict[str, int]:
    keys = lookup.find(app_group, [("external_id", external_id) for external_id in ids])
    return {str(name): pk for (_kind, name), pk in keys.items()}


@require_safe
@access.signed_in
def erasures(request: HttpRequest, group: str) -> HttpResponse:
    """List the receipts, the newest first."""
    page = Paginator(access.all_of(request, Erasure, Role.ADMIN), PAGE).get_page(
        request.GET.get("page")
    )
    page.object_list = privacy.with_current_places(page.object_list)
    app_group = access.group(request, Role.ADMIN)
    held_ids = set(
        erasure_ledger.names_with_receipt(app_group)
        .filter(erasure__in=[erasure.pk for erasure in page])
        .values_list("erasure", flat=True)
    )
    context = {
        "hours": max(partner.matching_hours[1] for partner in registry.PARTNERS),
        "page": page,
        "held": held_ids,
        "n_held": erasure_ledger.names_with_receipt(app_group).values("erasure").distinct().count(),
    }
    return render(request, "canvases/erasures.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def release(request: HttpRequest, group: str, receipt: str) -> HttpResponse:
    """Confirm, then take the identity of a receipt off the suppression list."""
    erasure = access.get(request, Erasure, Role.ADMIN, key=receipt)
    if request.method != "POST":
        template = "canvases/erasure_release.html"
        is_part = htmx.asks(request)
        return render(
            request, f"{template}#question" if is_part else template, {"erasure": erasure}
        )
    privacy.release(access.user(request), erasure, now=timezone.now())
    messages.success(request, gettext("The person of this receipt may come back."))
    return redirect("erasures", group)
