"""Code of an incident -> its texts: what is wrong, why, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class Entry:
    """The texts of one incident.

    ``act``: what to do; ``act_by``: the same with a deadline %(time)s, while people wait.
    ``why``, ``more``: what Help adds to ``cause`` and ``act``. ``by_own_limit``: the cause if the
    group has set the limit. ``subject``: for mails, if the title is too long.
    """

    title: StrOrPromise
    cause: StrOrPromise
    act: StrOrPromise
    button: StrOrPromise
    act_by: StrOrPromise = ""
    why: StrOrPromise | None = None
    more: StrOrPromise = ""
    by_own_limit: StrOrPromise = ""
    subject: StrOrPromise = ""

    def text(
        self, params: Mapping[str, object], *, by_a_time: bool = False, is_own_limit: bool = False
    ) -> str:
        """Return the cause and what to do; ``by_a_time``: by the deadline in ``params``."""
        cause = (is_own_limit and self.by_own_limit) or self.cause
        return f"{cause % params} {self.what_to_do(params, by_a_time=by_a_time)}".rstrip()

    def what_to_do(self, params: Mapping[str, object], *, by_a_time: bool) -> str:
        return str((by_a_time and self.act_by) or self.act) % params

    @property
    def meaning(self) -> StrOrPromise:
        """Return the cause, as Help says it."""
        # A lazy plural (ngettext_lazy) needs its number to choose a form. format_lazy would render
        # it without one, so a cause alone is returned as it is.
        return self.cause if self.why is None else format_lazy("{} {}", self.cause, self.why)

    @property
    def remedy(self) -> StrOrPromise:
        """Return what to do, as Help says it. It begins or ends with a space if a part is empty."""
        return format_lazy("{} {}", self.act, self.more)


_OTHER_AUDIENCE = _("Choose or create another one in the component.")
_OTHER_AUDIENCE_BY = _(
    "Choose or create another one in the component by %(time)s: you are then asked whether the "
    "people who wait move to it."
)
_MOVE = _("You are asked whether the people who wait move to it.")

ENTRIES = {
    "not_connected": Entry(
        _("%(partner)s is not connected"),
        _("%(partner)s is not connected."),
        _("Connect %(partner)s."),
        _("Connect %(partner)s"),
        act_by=_("Connect %(partner)s by %(time)s."),
        why=_("A member disconnected it, or it was never connected."),
        more=_("People who count as errored are sent again with Retry at the component."),
    ),
    "token_refused": Entry(
        _("%(partner)s no longer accepts our access"),
        _("%(partner)s no longer accepts our access: %(reason)s"),
        _("Reconnect %(partner)s."),
        _("Reconnect %(partner)s"),
        act_by=_("Reconnect %(partner)s by %(time)s."),
        more=_(
            "An admin of the app group can do that. People who wait are sent then, and nothing in "
            "the canvases needs a change."
        ),
        subject=_("access refused"),
    ),
    "sealed": Entry(
        _("Our keys do not open the access to %(partner)s"),
        _(
            "The keys of this installation (TOKEN_KEYS) cannot open its access to %(partner)s: "
            "another key sealed it."
        ),
        _("Ask the operator to add that key; if it is lost, reconnect %(partner)s."),
        _("Reconnect %(partner)s"),
        act_by=_(
            "Ask the operator to add that key by %(time)s; if it is lost, reconnect %(partner)s."
        ),
    ),
    "ad_account_disconnected": Entry(
        _("The ad account %(name)s is disconnected"),
        _("The ad account %(name)s is disconnected."),
        _("Choose it again with Change account."),
        _("Choose ad accounts"),
        act_by=_("Choose it again with Change account by %(time)s."),
        why=_("A member took it out of the ad accounts of this app group."),
        more=_("People who wait are sent then."),
    ),
    "ad_account_refused": Entry(
        _("%(partner)s does not let us use the ad account %(name)s"),
        _(
            "%(partner)s does not let us use the ad account %(name)s. We try again every few "
            "minutes."
        ),
        _(
            "Check at %(partner)s that it is active and that the connected user is an admin or "
            "operator of it."
        ),
        _("Check the ad account"),
        act_by=_(
            "Check at %(partner)s by %(time)s that it is active and that the connected user is an "
            "admin or operator of it."
        ),
        why=_("It is not active, or the connected user may not manage it."),
        more=_("Or connect with another user."),
        subject=_("ad account %(name)s refused"),
    ),
    "backlog": Entry(
        _("People wait too long for the ad account %(name)s"),
        _(
            "%(partner)s does not take people into the ad account %(name)s: our requests fail. We "
            "keep trying."
        ),
        _("If it stays, tell your support."),
        _("See the ad accounts"),
        act_by=_(
            "If it stays, tell your support. People not accepted by %(time)s count as errored."
        ),
        more=_("People not accepted within %(retry_time)s count as errored."),
    ),
    "error_share": Entry(
        _("Many people of %(name)s count as errored"),
        _(
            "More than %(percent)s %% of the people of %(name)s counted as errored within two "
            "hours."
        ),
        _("Open the component to see the reasons and what to do; then send them again."),
        _("See why"),
    ),
    "removals_held": Entry(
        _("Removals of %(name)s wait for a confirmation"),
        ngettext_lazy(
            "%(n)s person left the segment of %(name)s at once. The removal from the audience "
            "waits until a marketer or admin confirms it. Everything else goes on.",
            "%(n)s people left the segment of %(name)s at once. The removal from the audience "
            "waits until a marketer or admin confirms it. Everything else goes on.",
            "count",
        ),
        "",
        _("Check the removals"),
        more=_(
            "Is that right? If the segment or an import is wrong, correct it first: people who "
            "come back are not removed."
        ),
    ),
    "audiences_nearly_full": Entry(
        _("The ad account %(name)s has hardly room for audiences"),
        _("The ad account %(name)s has %(n)s of %(most)s audiences."),
        _("When it is full, none can be created: delete those that no canvas needs."),
        _("See the audiences"),
        why=_("%(partner)s allows no more in one ad account."),
    ),
    "audience_small": Entry(
        _("The audience %(name)s is too small for ads"),
        _(
            "%(partner)s matched %(n)s people of the audience %(name)s after more than 48 hours; "
            "ads run from about %(least)s."
        ),
        _("Add more people, or send more fields to match."),
        _("See the audiences"),
        by_own_limit=_(
            "%(partner)s matched %(n)s people of the audience %(name)s after more than 48 hours; "
            "your app group asks for %(least)s."
        ),
    ),
    "audience_not_created": Entry(
        _("The audience %(name)s was not created yet"),
        _("The audience %(name)s was not created yet."),
        _("Press Create audience again."),
        _("Create the audience"),
        why=_("Its creation was not answered, or it was refused."),
    ),
    "audience_gone": Entry(
        _("The audience %(name)s no longer exists at %(partner)s"),
        _(
            "The audience %(name)s no longer exists at %(partner)s: it was deleted or has expired "
            "there."
        ),
        _OTHER_AUDIENCE,
        _("Choose another audience"),
        act_by=_OTHER_AUDIENCE_BY,
        more=_MOVE,
        subject=_("audience %(name)s does not exist any more"),
    ),
    "audience_not_appendable": Entry(
        _("The audience %(name)s takes no people"),
        _("People cannot be sent to the audience %(name)s: %(reason)s"),
        _OTHER_AUDIENCE,
        _("Choose another audience"),
        act_by=_OTHER_AUDIENCE_BY,
        more=_MOVE,
    ),
}
