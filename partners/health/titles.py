"""The catalogue of incidents: code -> what is wrong in a few words, and the link that cures it.

Cause and remedy in full sentences are those of connections/problems.py.
"""

from __future__ import annotations

from django.utils.translation import gettext, gettext_noop

from partners import registry
from partners.models import AdAccount, Audience, Connection, Incident, Sync

Place = Connection | AdAccount | Audience | Sync

TITLES = {
    "not_connected": gettext_noop("%(partner)s is not connected"),
    "token_refused": gettext_noop("%(partner)s no longer accepts our access"),
    "sealed": gettext_noop("Our keys do not open the access to %(partner)s"),
    "ad_account_disconnected": gettext_noop("The ad account %(name)s is disconnected"),
    "ad_account_refused": gettext_noop("%(partner)s does not let us use the ad account %(name)s"),
    "backlog": gettext_noop("People wait too long for the ad account %(name)s"),
    "error_share": gettext_noop("Many people of %(name)s count as errored"),
    "removals_held": gettext_noop("Removals of %(name)s wait for a confirmation"),
    "audiences_nearly_full": gettext_noop("The ad account %(name)s has hardly room for audiences"),
    "audience_small": gettext_noop("The audience %(name)s is too small for ads"),
    "audience_not_created": gettext_noop("The audience %(name)s was not created yet"),
    "audience_gone": gettext_noop("The audience %(name)s no longer exists at %(partner)s"),
    "audience_not_appendable": gettext_noop("The audience %(name)s takes no people"),
}
BUTTONS = {
    "not_connected": gettext_noop("Connect %(partner)s"),
    "token_refused": gettext_noop("Reconnect %(partner)s"),
    "sealed": gettext_noop("Reconnect %(partner)s"),
    "ad_account_disconnected": gettext_noop("Choose ad accounts"),
    "ad_account_refused": gettext_noop("Check the ad account"),
    "backlog": gettext_noop("See the ad accounts"),
    "error_share": gettext_noop("See why"),
    "removals_held": gettext_noop("Check the removals"),
    "audiences_nearly_full": gettext_noop("See the audiences"),
    "audience_small": gettext_noop("See the audiences"),
    "audience_not_created": gettext_noop("Create the audience"),
    "audience_gone": gettext_noop("Choose another audience"),
    "audience_not_appendable": gettext_noop("Choose another audience"),
}


def title(incident: Incident) -> str:
    """Return what is wrong, such as: The audience winback takes no people."""
    return gettext(TITLES[incident.code]) % words(incident)


def button(incident: Incident) -> str:
    """Return the label of the link that leads to the remedy."""
    return gettext(BUTTONS[incident.code]) % words(incident)


def words(incident: Incident) -> dict[str, str]:
    """Return the partner and the name of the place."""
    place = place_of(incident)
    label = registry.get(connection_of(place).partner).label
    match place:
        case Connection():
            name = ""
        case Sync():
            name = place.label
        case _:
            name = place.name
    return {"partner": label, "name": name}


def place_of(incident: Incident) -> Place:
    """Return the row at which the trouble is."""
    place: Place = getattr(incident, incident.place)
    return place


def connection_of(place: Place) -> Connection:
    """Return the connection through which a place is reached."""
    match place:
        case Connection():
            return place
        case AdAccount():
            return place.connection
        case Audience():
            return place.ad_account.connection
        case Sync():
            return place.audience.ad_account.connection
