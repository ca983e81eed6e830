"""Where the bytes of an upload lie: first in a file without a name, then in the database, in parts any engine can read.

A web process that dies during an upload leaves nothing: its nameless file goes with it, and parts that belong to no
import are swept away within the hour.
"""

from __future__ import annotations

import codecs
import tempfile
import uuid
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import IO

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.utils import timezone

from audiencesync.people.imports.models import Import, UploadPart
from audiencesync.people.imports.reading import MB, MOST_BYTES

PART = 2 * MB
AHEAD = 6 * PART  # the end of a long row is looked for behind a stretch
KEEP_ORPHANS = timedelta(minutes=50)  # the sweep runs every minute
ARCHIVES = (  # how files begin that are no text: zip and xlsx, gzip, bzip2, xz, zstd, 7z, rar, xls, pdf
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


class CsvUploadHandler(FileUploadHandler):
    """Takes one file on the one page that asks for it, from people who are signed in; all others are passed over.

    What is longer than allowed is read to its end and not kept, so that the answer can say so.
    """

    kept: IO[bytes] | None = None  # not "file": Django would close it for us, too early
    n_files = n_bytes = 0

    def new_file(self, *args: object, **kwargs: object) -> None:
        """A file begins."""
        super().new_file(*args, **kwargs)  # type: ignore[arg-type]  # handed through as they are
        request = self.request
        page = request.resolver_match.url_name if request and request.resolver_match else ""
        if request is None or page != "import_new" or not request.user.is_authenticated:
            raise SkipFile
        self.n_files += 1
        if self.kept is None:
            self.kept = tempfile.TemporaryFile(dir=settings.VAR_DIR)  # noqa: SIM115 - closed with the request

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Some bytes."""
        if self.kept is None or self.n_files > 1:
            return
        self.n_bytes += len(raw_data)
        if self.n_bytes <= MOST_BYTES:
            self.kept.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile | None:
        """The file ends. Its size is the true one, whether it was kept or not."""
        if self.kept is None or self.n_files > 1:
            return None
        self.kept.seek(0)
        return UploadedFile(self.kept, self.file_name, self.content_type, self.n_bytes, self.charset)

    def upload_interrupted(self) -> None:
        """The other side went away."""
        if self.kept:
            self.kept.close()


def is_archive(beginning: bytes) -> bool:
    """Whether a file begins like something packed, or a spreadsheet of Excel: its name says nothing."""
    return beginning.startswith(ARCHIVES)


class Stored:
    """The bytes of a file in the database, to be read from anywhere."""

    def __init__(self, upload: uuid.UUID, size: int) -> None:
        self.upload, self.size = upload, size
        self._held: dict[int, bytes] = {}

    def hold(self, offset: int) -> None:
        """Load what is read soon: AHEAD bytes from ``offset`` on. Until then another thread may read, without queries."""
        wanted = range(offset // PART, min(offset + AHEAD, max(0, self.size - 1)) // PART + 1)
        self._held = {number: self._held.get(number) or self._load(number) for number in wanted}

    def read(self, offset: int, n: int) -> bytes:
        """Up to ``n`` bytes from ``offset`` on; fewer only at the end."""
        found = b""
        while n > 0 and offset < self.size:
            number, start = divmod(offset, PART)
            if number not in self._held:
                self._held = {number: self._load(number)}
            piece = self._held[number][start : start + n]
            if not piece:
                break
            found, offset, n = found + piece, offset + len(piece), n - len(piece)
        return found

    def _load(self, number: int) -> bytes:
        rows = UploadPart.objects.filter(upload=self.upload, number=number)
        return zlib.decompress(rows.values_list("body", flat=True).get())


def store(file: IO[bytes]) -> tuple[uuid.UUID, bool]:
    """Move a file into the database, a short transaction per part: its id, and whether all of it is UTF-8."""
    upload, is_utf8 = uuid.uuid4(), True
    decoder = codecs.getincrementaldecoder("utf-8")()
    for number, part in enumerate(_parts(file)):
        UploadPart.objects.create(upload=upload, number=number, body=zlib.compress(part, 1))
        is_utf8 = is_utf8 and _decodes(decoder, part)
    return upload, is_utf8 and _decodes(decoder, b"", final=True)


def _decodes(decoder: codecs.IncrementalDecoder, part: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(part, final=final)
    except UnicodeDecodeError:
        return False
    return True


def _parts(file: IO[bytes]) -> Iterator[bytes]:
    while part := file.read(PART):
        yield part


def drop(upload: uuid.UUID) -> None:
    """Delete the bytes of a file; what is already gone stays gone."""
    UploadPart.objects.filter(upload=upload).delete()


def sweep(*, now: datetime) -> None:
    """Delete parts that no import owns, such as those of a web process that died while it stored them."""
    old = UploadPart.objects.filter(created_at__lt=now - KEEP_ORPHANS)
    for upload in old.order_by("upload").values_list("upload", flat=True).distinct():
        if not Import.objects.filter(upload=upload).exists():
            drop(upload)


def keep(row: Import, file: IO[bytes]) -> None:
    """Store the file of a new import, then the import itself. Raises TooBig."""
    if row.size > MOST_BYTES:
        raise TooBig
    row.upload, row.is_utf8 = store(file)
    row.created_at = timezone.now()
    row.save()
