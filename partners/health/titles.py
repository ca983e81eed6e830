"""Incidents in a few words: what is wrong, and the label of the link to the remedy.

The texts are those of catalogue/incidents.py, with the names of partner and place.
"""

from __future__ import annotations

from partners import registry
from partners.catalogue.incidents import ENTRIES
from partners.models import AdAccount, Audience, Connection, Incident, Sync

Place = Connection | AdAccount | Audience | Sync


def title(incident: Incident) -> str:
    """Return what is wrong, such as: The audience winback takes no people."""
    return str(ENTRIES[incident.code].title) % params(incident)


def button(incident: Incident) -> str:
    """Return the label of the link that leads to the remedy."""
    return str(ENTRIES[incident.code].button) % params(incident)


def subject(incident: Incident) -> str:
    """Return what is wrong for the subject of a mail."""
    entry = ENTRIES[incident.code]
    return str(entry.subject or entry.title) % params(incident)


def help_key(code: str) -> str:
    """Return the anchor of an incident on the help page."""
    return f"incident-{code}"


def params(incident: Incident) -> dict[str, str]:
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
