"""Texts of an import: why a row was rejected, why the import ended early."""

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audiencesync.people.imports.csv_reader import Reject

REASONS: dict[str, str | Promise] = {
    "columns": _("The row has more or fewer cells than the first row."),
    "quotes": _("A quotation mark is not closed, or stands where none may stand."),
    "long": _("A cell holds more than it may."),
    "nul": _("The row holds a character (NUL) that cannot be stored."),
    "encoding": _("The row holds bytes that are not of the chosen encoding."),
    "key": _("The cell that people are found by is empty."),
    "key_shortened": _(
        "A spreadsheet has shortened the cell that people are found by (such as 1.00001E+12)."
    ),
    "key_invalid": _(
        "The cell that people are found by holds no valid e-mail address or phone number."
    ),
    "truth": _("This needs yes or no."),
    "consent": _(
        "This needs yes or no. A person with an answer that cannot be read is not imported."
    ),
    "number": _("This needs a number such as 12.5, written like the others of its column."),
    "day": _("This needs a date such as 2026-11-23."),
    "country": _("This needs a country such as DE or Germany."),
    "language": _("This needs a language such as de, pt-BR or German."),
    "kept": _("This is too long, too big or too deeply nested for an attribute."),
    "unusable": _("This cannot be used: it is stored and never sent."),
    "clear": _(
        "This holds an e-mail address or a phone number, and this group stores only hashes."
    ),
    "text": _("This text is too long for an attribute."),
    "gone": _("The person was erased while the import ran."),
    "attributes": _("The person would have more attributes than one may have."),
    "erased": _("This person was erased and must not come back."),
    "stored": _("The row could not be stored."),
}
TROUBLES: dict[str, str | Promise] = {
    "lost": _("The file is no longer there."),
    "rows": _(
        "The file has more rows than an import may have. Those up to the limit are imported."
    ),
    "stuck": _("The import failed several times at the same row. The log of the engine says why."),
}


def reason(reject: Reject) -> str:
    """Return why a row was rejected; the column comes first if one of its cells is the reason."""
    text = str(REASONS.get(reject.reason, reject.reason))
    if reject.is_imported and reject.reason != "unusable":
        text += " " + gettext("The row is imported without it.")
    return f"{reject.column}: {text}" if reject.column else text
