"""The last removal of a user, in the session: encrypted, as settings may hold customer data."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest

from audiencesync.core import crypto
from canvases.editing import undo
from canvases.models import Canvas, Step

KEY = "last_removal"


def keep(request: HttpRequest, canvas: Canvas, note: undo.RemovalNote | None) -> None:
    """Keep the note to undo a removal, in place of an earlier one; None: it cannot be undone."""
    request.session[KEY] = note and crypto.seal(note.dump(), context=_context(canvas))


def of(request: HttpRequest, canvas: Canvas) -> undo.RemovalNote | None:
    """Return the note of the user's last removal; None if it was in another canvas."""
    sealed = request.session.get(KEY)
    if not isinstance(sealed, str):
        return None
    try:
        return undo.RemovalNote.load(crypto.open_sealed(sealed, context=_context(canvas)))
    except crypto.CannotOpen:
        return None


def can_be_undone(request: HttpRequest, canvas: Canvas, steps: Sequence[Step]) -> bool:
    """Return whether the flow (``steps``) is still as the last removal left it."""
    note = of(request, canvas)
    return note is not None and note.after == undo.places(steps)


def _context(canvas: Canvas) -> str:
    return f"removal:{canvas.pk}"
