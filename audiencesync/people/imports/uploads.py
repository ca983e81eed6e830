"""Store the bytes of an upload: first in an unnamed file, then as parts in the database.

Any engine can read the parts. A web process that dies during an upload leaves nothing: the system
deletes its unnamed file, and `sweep` deletes parts without an import within the hour.
"""

from __future__ import annotations

import codecs
import shutil
import tempfile
import uuid
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import IO

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.db import transaction
from django.db.models import Count, Sum
from django.http import Http404
from django.utils import timezone

from audiencesync.groups import access
from audiencesync.groups.models import AppGroup, Role
from audiencesync.people.imports import eastern
from audiencesync.people.imports.csv_reader import MB, MOST_BYTES
from audiencesync.people.models.imports import Import, UploadPart

PART = 2 * MB  # bytes of a file in one row of UploadPart, before compression
MOST_WAITING, MOST_WAITING_BYTES = 20, 2048 * MB  # files of a group that are not imported yet
READ_AHEAD = 6 * PART  # bytes loaded beyond the offset, so that a long row ends in them
KEEP_ORPHANS = timedelta(minutes=50)  # the sweep runs every minute
_ASCII_BYTES = bytes(range(128))
# First bytes of other files than text: zip and xlsx, gzip, bzip2, xz, zstd, 7z, rar, xls, pdf.
ARCHIVES = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"\x28\xb5\x2f\xfd",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    b"%PDF-",
)


class TooBig(Exception):
    """More bytes than an import may have."""


class Full(Exception):
    """The group has its maximum of waiting files, or the disk has no room for one more."""


def check_room(app_group: AppGroup, size: int) -> None:
    """Raise Full if there is no room for a file of this size in bytes."""
    waiting_runs = Import.objects.filter(
        app_group=app_group, state__in=(Import.State.UPLOADED, Import.State.RUNNING)
    )
    n_files, n_bytes = waiting_runs.aggregate(
        n=Count("pk"), n_bytes=Sum("size", default=0)
    ).values()
    if n_files >= MOST_WAITING or n_bytes + size > MOST_WAITING_BYTES:
        raise Full("waiting")
    if shutil.disk_usage(settings.VAR_DIR).free < 2 * size:
        raise Full("disk")


class CsvUploadHandler(FileUploadHandler):
    """Accept one file, on the import page only, from members who may import; skip all others.

    A file that is too big, or for which there is no room, is read to its end but not kept, so that
    the view can answer with the reason.
    """

    kept: IO[bytes] | None = None  # not "file": Django would close it too early
    n_files = n_bytes = 0

    def new_file(self, *args: object, **kwargs: object) -> None:
        super().new_file(*args, **kwargs)  # type: ignore[arg-type]  # Django's own arguments
        self._check_request()
        self.n_files += 1
        if self.kept is None:
            # Django closes it with the request.
            self.kept = tempfile.TemporaryFile(dir=settings.VAR_DIR)  # noqa: SIM115  # see above

    def _check_request(self) -> None:
        """Check sender and room before a byte is stored. Raise SkipFile; the view says why."""
        request = self.request
        page = request.resolver_match.url_name if request and request.resolver_match else ""
        if request is None or page != "import_new" or not request.user.is_authenticated:
            raise SkipFile
        try:
            check_room(
                access.group(request, Role.MARKETER), int(request.META.get("CONTENT_LENGTH") or 0)
            )
        except (Http404, PermissionDenied):
            raise SkipFile from None
        except Full as error:
            request.upload_refused = str(error)  # type: ignore[attr-defined]  # read by the view
            raise SkipFile from None

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self.kept is None or self.n_files > 1:
            return
        self.n_bytes += len(raw_data)
        if self.n_bytes <= MOST_BYTES:
            self.kept.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile | None:
        """Return the file with its true size, whether its bytes were kept or not."""
        if self.kept is None or self.n_files > 1:
            return None
        self.kept.seek(0)
        return UploadedFile(
            self.kept, self.file_name, self.content_type, self.n_bytes, self.charset
        )

    def upload_interrupted(self) -> None:
        if self.kept:
            self.kept.close()


def is_archive(beginning: bytes) -> bool:
    """Return whether a file begins like an archive or an Excel file; its name is not reliable."""
    return beginning.startswith(ARCHIVES)


class StoredFile:
    """Read the bytes of a file in the database, from any offset."""

    def __init__(self, upload: uuid.UUID, size: int) -> None:
        self.upload, self.size = upload, size
        self._loaded: dict[int, bytes] = {}

    def preload(self, offset: int) -> None:
        """Load READ_AHEAD bytes from ``offset`` on: another thread reads them without queries."""
        numbers = range(offset // PART, min(offset + READ_AHEAD, max(0, self.size - 1)) // PART + 1)
        self._loaded = {
            number: self._loaded.get(number) or self._load(number) for number in numbers
        }

    def read(self, offset: int, n: int) -> bytes:
        """Return up to ``n`` bytes from ``offset`` on; fewer only at the end."""
        data = b""
        while n > 0 and offset < self.size:
            number, start = divmod(offset, PART)
            if number not in self._loaded:
                self._loaded = {number: self._load(number)}
            piece = self._loaded[number][start : start + n]
            if not piece:
                break
            data, offset, n = data + piece, offset + len(piece), n - len(piece)
        return data

    def _load(self, number: int) -> bytes:
        rows = UploadPart.objects.filter(upload=self.upload, number=number)
        return zlib.decompress(rows.values_list("body", flat=True).get())


def store(file: IO[bytes]) -> tuple[uuid.UUID, int, bool]:
    """Move a file into the database, one short transaction per part.

    Return its id, its size, and whether it is UTF-8 apart from a few broken bytes.
    """
    upload, detector, size = uuid.uuid4(), _Utf8Detector(), 0
    for number, part in enumerate(_parts(file)):
        UploadPart.objects.create(upload=upload, number=number, body=zlib.compress(part, 1))
        detector.add(part)
        size += len(part)
    return upload, size, detector.is_utf8()


class _Utf8Detector:
    """Detect UTF-8. A few broken bytes are accepted: only their rows will be rejected.

    ``n_valid``: bytes of characters beyond ASCII. ``n_broken``: bytes that belong to no character.
    """

    def __init__(self) -> None:
        # surrogateescape: each broken byte becomes one of U+DC80 to U+DCFF.
        self.decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.n_valid = self.n_broken = 0

    def add(self, part: bytes, *, is_last: bool = False) -> None:
        """Count the bytes of the next part."""
        text = self.decoder.decode(part, is_last)
        if not text.isascii():
            valid_bytes = text.encode("utf-8", "ignore")
            self.n_valid += len(valid_bytes.translate(None, _ASCII_BYTES))
            self.n_broken += (
                sum("\udc80" <= character <= "\udcff" for character in text)
                if not _is_encodable(text)
                else 0
            )

    def is_utf8(self) -> bool:
        self.add(b"", is_last=True)
        return self.n_broken == 0 or self.n_valid >= 2 * self.n_broken


def _is_encodable(text: str) -> bool:
    """Return whether UTF-8 can hold the text: no byte was broken."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parts(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the parts to store.

    ISO 2022 becomes UTF-8: it switches character sets by escapes, so that it cannot be read from
    any offset.
    """
    # The tail of the previous part is searched again, because an escape may span two parts.
    tail, iso_2022 = b"", ""
    while not iso_2022 and (part := file.read(PART)):
        iso_2022, tail = eastern.encoding_of_escape(tail + part), part[-4:]
    file.seek(0)
    pieces = _as_utf8(file, iso_2022) if iso_2022 else iter(lambda: file.read(PART), b"")
    buffer = b""
    for piece in pieces:
        buffer += piece
        while len(buffer) >= PART:
            yield buffer[:PART]
            buffer = buffer[PART:]
    if buffer:
        yield buffer


def _as_utf8(file: IO[bytes], encoding: str) -> Iterator[bytes]:
    """Convert to UTF-8; an unreadable character becomes an invalid byte, so its row is rejected."""
    decoder = codecs.getincrementaldecoder(encoding)("audiencesync_invalid_byte")
    while part := file.read(PART):
        yield decoder.decode(part).encode("utf-8", "surrogateescape")
    yield decoder.decode(b"", final=True).encode("utf-8", "surrogateescape")


def _as_invalid_byte(error: UnicodeError) -> tuple[str, int]:
    return "\udcff", getattr(error, "end", 0)


codecs.register_error("audiencesync_invalid_byte", _as_invalid_byte)


def drop(upload: uuid.UUID) -> None:
    """Delete the bytes of a file, if there are any."""
    UploadPart.objects.filter(upload=upload).delete()


def sweep(*, now: datetime) -> None:
    """Delete old parts without an import, such as those of a web process that died."""
    old_parts = UploadPart.objects.filter(created_at__lt=now - KEEP_ORPHANS)
    for upload in old_parts.order_by("upload").values_list("upload", flat=True).distinct():
        if not Import.objects.filter(upload=upload).exists():
            drop(upload)


def save_import(run: Import, file: IO[bytes]) -> None:
    """Store a file, then its import. Raise TooBig, or Full if other uploads have used the room."""
    if run.size > MOST_BYTES:
        raise TooBig
    run.upload, run.size, run.is_utf8 = store(file)
    run.created_at = timezone.now()
    try:
        with transaction.atomic():
            AppGroup.objects.select_for_update(no_key=True).get(pk=run.app_group_id)
            check_room(run.app_group, run.size)
            run.save()
    except Full:
        drop(run.upload)
        raise
