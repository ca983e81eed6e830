"""Words for the answers of checks, used by the present checks (checks.py) and by their history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_noop, ngettext

from partners import registry
from partners.base import Partner
from partners.models import CheckAnswer

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Kind, Result = CheckAnswer.Kind, CheckAnswer.Result
NOT_LISTED = "not_listed"
"""The answer of an ad account that the connected user no longer reaches."""
SEPARATOR = "|"

NAMES = {
    Kind.ACCESS: gettext_noop("Access to %(partner)s"),
    Kind.PERMISSIONS: gettext_noop("Permissions"),
    Kind.AD_ACCOUNT: gettext_noop("Ad account %(name)s"),
    Kind.AUDIENCES: gettext_noop("Audiences in use of %(name)s"),
    Kind.ALLOW_LIST: gettext_noop("Allow-list of %(partner)s, for %(name)s"),
}
_GOOD = {
    Kind.ACCESS: gettext_noop("works"),
    Kind.PERMISSIONS: gettext_noop("all granted"),
    Kind.AD_ACCOUNT: gettext_noop("open"),
    Kind.ALLOW_LIST: gettext_noop("accepted"),
}


def name_of(row: CheckAnswer) -> str:
    """Return the name of a check, with those of its partner and ad account."""
    params = {"partner": registry.get(row.connection.partner).label}
    params["name"] = row.ad_account.name if row.ad_account else ""
    return gettext(NAMES[Kind(row.kind)]) % params


def text_of(row: CheckAnswer) -> str:
    """Return the answer in words, such as: refused with the code 40105."""
    if row.result == Result.UNKNOWN:
        return unclear_text(row.code)
    if row.kind == Kind.AUDIENCES and "/" in row.answer:
        n_broken, n = map(int, row.answer.split("/"))
        return audiences_text(n_broken, n)
    if row.result == Result.GOOD:
        return gettext(_GOOD[Kind(row.kind)])
    if row.code:
        return refused_text(row.code)
    if row.kind == Kind.PERMISSIONS:
        return missing_text(gettext(name) for name in row.answer.split(SEPARATOR) if name)
    return status_text(row.answer, registry.get(row.connection.partner))


def audiences_text(n_broken: int, n: int) -> str:
    """Return whether the audiences in use exist and take people."""
    params = {"n": number_format(n), "broken": number_format(n_broken)}
    if n_broken:
        return gettext("%(broken)s of %(n)s cannot be used") % params
    return ngettext("%(n)s exists", "all %(n)s exist", n) % params if n else gettext("none in use")


def status_text(status: str, partner: Partner) -> str:
    """Return the status of an ad account in words."""
    if status == NOT_LISTED:
        return gettext("the connected user no longer reaches it")
    return str(partner.ad_account_statuses.get(status, status))


def missing_text(names: Iterable[StrOrPromise]) -> str:
    """Return which permissions are missing."""
    return gettext("missing: %(names)s") % {"names": ", ".join(map(str, names))}


def refused_text(code: str) -> str:
    """Return the text for a refusal with this code."""
    return gettext("refused with the code %(code)s") % {"code": code}


def unclear_text(code: str) -> str:
    """Return the text for an unclear answer (with its code) or none."""
    if code:
        return gettext("no clear answer, code %(code)s") % {"code": code}
    return gettext("no answer")
