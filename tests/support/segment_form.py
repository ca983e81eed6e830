"""Build the POST data of the segment form from rows of (field, op, value)."""

from audiencesync.people.segments.builder.controls import CONSENTS, IDENTIFIERS
from audiencesync.people.segments.nodes import FIELDS, PRESENT

LABELS = {str(label).casefold(): name for name, (label, _ops) in FIELDS.items()}


def condition(field, op, value="", place="0.0"):
    """Return the controls of one condition on an attribute, or on a field of the profile."""
    name = LABELS.get(field.casefold(), field)
    kind = "attribute"
    if name in CONSENTS:
        kind = "consent"
    elif name == "import":
        kind = "import"
    elif name in IDENTIFIERS and (op in PRESENT or name != "email"):
        kind = "identifier"
    elif name in FIELDS:
        kind = "field"
    return {
        f"kind-{place}": kind,
        f"field-{place}": name,
        f"op-{place}": op,
        f"value-{place}": value,
    }


def segment_data(*rows, match="all", **more):
    """Return the data of a form with these (field, op, value) rows in one group."""
    data = {"name": "N", "version": "0", "match-0": match} | more
    for i, row in enumerate(rows):
        data |= condition(*row, place=f"0.{i}")
    return data
