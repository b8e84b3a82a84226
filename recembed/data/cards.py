"""Public data sets: a card says where one is, what it holds and under which licence."""

import difflib
import os
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recembed.data.columns import Columns
from recembed.data.download import download
from recembed.data.layouts import Layout, converted
from recembed.errors import DataError, MissingExtra
from recembed.progress import QUIET, Progress


@dataclass(frozen=True)
class Card:
    """A data set. counts and files may differ between layouts: some papers use a part of it.

    url: what `fetch` downloads; without one the files are fetched by hand (see homepage). verified:
    whether url and sha256 were checked. package: the Python package that carries the files.
    suggested: options of `read_log` that papers use with it.
    """

    name: str
    title: str
    description: str
    licence: str
    citation: str
    homepage: str
    columns: Columns
    layouts: tuple[Layout, ...]
    url: str | None = None
    sha256: str | None = None
    verified: bool = False
    package: str | None = None
    suggested: Mapping[str, Any] = field(default_factory=dict)


def cards() -> dict[str, Card]:
    """All cards by name, sorted."""
    return {path.stem: _parsed(path) for path in sorted(_folder().glob("*.toml"))}


def card(name: str) -> Card:
    """The card of a data set.

    Raises: DataError that lists the nearest names.
    """
    paths = {path.stem: path for path in _folder().glob("*.toml")}
    if name not in paths:
        near = difflib.get_close_matches(name, paths, n=3, cutoff=0.4) or sorted(paths)
        raise DataError(f"there is no data set {name!r}; did you mean {', '.join(near)}?")
    return _parsed(paths[name])


def fetch(
    name: str,
    *,
    source: Path | None = None,
    cache: Path | None = None,
    progress: Progress = QUIET,
) -> Path:
    """A folder with interactions.parquet and, where the set has them, items and users.parquet.

    source: a folder that holds the files already; it is read again each time. cache: where the
    folder is made and found the next time (default: $RECEMBED_CACHE, else ~/.cache/recembed).

    Raises: DataError if files are missing or are not what the card expects; MissingExtra if the
    package that carries them is not installed.
    """
    it = card(name)
    place = (cache or default_cache()) / it.name
    if source is None and (place / "interactions.parquet").is_file():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{it.name}-", dir=place.parent) as temporary:
        upstream, fresh = Path(temporary, "upstream"), Path(temporary, "fresh")
        found = Path(source) if source is not None else _upstream(it, upstream, progress)
        _convert(it, found, fresh)
        if place.exists():
            place.replace(Path(temporary, "old"))
        fresh.replace(place)
    return place


def default_cache() -> Path:
    """$RECEMBED_CACHE, else recembed below $XDG_CACHE_HOME or ~/.cache."""
    own = os.environ.get("RECEMBED_CACHE")
    if own:
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "recembed"


def _folder() -> Path:
    """The cards, inside the installed package or at the top of the source tree."""
    inside = Path(str(files("recembed"))) / "datasets"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "datasets"


def _parsed(path: Path) -> Card:
    values = tomllib.loads(path.read_text("utf-8"))
    columns = Columns(**values.pop("columns", {}))
    layouts = tuple(Layout.parsed(layout) for layout in values.pop("layouts"))
    return Card(name=path.stem, columns=columns, layouts=layouts, **values)


def _upstream(it: Card, folder: Path, progress: Progress) -> Path:
    """The folder of the original files: the package's, or a new one they are downloaded into."""
    if it.package is not None:
        spec = find_spec(it.package)
        if spec is None or spec.origin is None:
            raise MissingExtra(f"the data set {it.name}", "demo")
        return Path(spec.origin).parent
    if it.url is None:
        raise DataError(
            f"{it.name} cannot be downloaded by itself: get its files from {it.homepage}, then "
            f"`recembed datasets fetch {it.name} --from FOLDER`"
        )
    folder.mkdir()
    wanted = [file for layout in it.layouts for file in layout.files()]
    download(it.url, folder, wanted, sha256=it.sha256, progress=progress)
    return folder


def _convert(it: Card, source: Path, target: Path) -> None:
    layout = next((layout for layout in it.layouts if layout.is_in(source)), None)
    if layout is None:
        wanted = " or ".join(layout.interactions.file for layout in it.layouts)
        raise DataError(f"{source} does not hold {it.name}: it has no {wanted}")
    tables = converted(layout, source)
    _check(it, layout, tables["interactions"])
    target.mkdir()
    for name, table in tables.items():
        pq.write_table(table, target / f"{name}.parquet", compression="zstd")


def _check(it: Card, layout: Layout, table: pa.Table) -> None:
    """What was read is what the card expects."""
    columns = it.columns.of_log(table.column_names, it.name)
    found = {
        "users": pc.count_distinct(table.column(columns.user)).as_py(),
        "items": pc.count_distinct(table.column(columns.item)).as_py(),
        "interactions": table.num_rows,
    }
    wrong = {name: count for name, count in layout.counts.items() if found[name] != count}
    if wrong:
        said = ", ".join(f"{found[name]} {name}, not {count}" for name, count in wrong.items())
        raise DataError(f"{it.name} in {layout.interactions.file} has {said}: get its files again")
