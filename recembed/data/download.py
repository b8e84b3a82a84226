"""Downloading a file of a data set: checked, and only the files that are wanted taken out of it."""

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from recembed.errors import DataError
from recembed.progress import QUIET, Progress

CHUNK = 1 << 20
MOST = 1 << 31  # bytes; more is no data set of ours, but an archive that was made to fill a disk
PATIENCE = 30.0  # seconds without a byte


def download(
    url: str,
    folder: Path,
    wanted: Sequence[str],
    *,
    sha256: str | None = None,
    progress: Progress = QUIET,
) -> None:
    """Put the files `wanted` (names without folders) out of the archive at `url` into `folder`.

    A .zip holds several files, a .gz one, anything else is the file itself.

    Raises: DataError if it cannot be had, or is not what `sha256` says.
    """
    name = PurePosixPath(urlsplit(url).path).name
    archive = folder / f"{name}.download"
    try:
        digest = _save(url, archive, progress)
    except OSError as error:
        raise DataError(
            f"{url} cannot be downloaded: {error}; `recembed datasets fetch NAME --from FOLDER` "
            "takes files that are there"
        ) from error
    if sha256 is not None and digest != sha256:
        raise DataError(f"{url} has changed: its sha256 is {digest}, the card says {sha256}")
    try:
        _unpack(archive, name, folder, wanted)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(f"{url} is not a whole {Path(name).suffix} file: {error}") from error
    archive.unlink()


def _save(url: str, path: Path, progress: Progress) -> str:
    import urllib.request  # slow to import, and seldom needed

    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=PATIENCE) as response, path.open("wb") as file:
        total = int(response.headers.get("Content-Length") or 0)
        with progress.task(f"downloading {url}", total, "B") as task:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                digest.update(chunk)
                task.advance(len(chunk))
                if file.tell() > MOST:
                    raise OSError(f"it is larger than {MOST} bytes")
    if total and path.stat().st_size != total:
        raise OSError(f"it ended after {path.stat().st_size} of {total} bytes")
    return digest.hexdigest()


def _unpack(archive: Path, name: str, folder: Path, wanted: Sequence[str]) -> None:
    """Writes to names in `wanted` only: no path inside an archive is ever used."""
    if name.endswith(".zip"):
        with zipfile.ZipFile(archive) as file:
            for member in file.infolist():
                base = PurePosixPath(member.filename).name
                if base in wanted and member.file_size <= MOST:
                    (folder / base).write_bytes(file.read(member))
    elif name.endswith(".gz"):
        with gzip.open(archive) as file:
            (folder / name.removesuffix(".gz")).write_bytes(file.read(MOST))
    else:
        (folder / name).write_bytes(archive.read_bytes())
