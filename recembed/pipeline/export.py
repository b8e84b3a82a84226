"""Take vectors or the index out of a run, in forms that other tools read."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recembed.arrays import Vectors
from recembed.data.files import Source
from recembed.data.vocabulary import Vocabulary
from recembed.data.word2vec_format import write_word2vec
from recembed.errors import DataError, RunError
from recembed.models.stored import has_vectors, ranker_of, removed_items
from recembed.protocols import VectorModel
from recembed.run.folder import Run
from recembed.run.log import load_log
from recembed.run.manifest import MANIFEST
from recembed.run.whole import whole


def export(
    run: str | Path,
    out: str | Path,
    *,
    what: Literal["items", "neighbours", "users"] = "items",
    form: Literal["parquet", "word2vec", "word2vec-binary", "index"] = "parquet",
) -> int:
    """Write OUT and say how many vectors are in it; untrained and removed items are left out.

    what: the vectors that are retrieved, those of item-to-item similarity, or those of all users.
    parquet: columns id and vector (a fixed-size list of float32). word2vec: the text or binary
    form that gensim reads; spaces in ids become "_" there. index: the file of Annoy or FAISS, items
    removed since it was built too, with OUT.ids.parquet beside it: the id of each of its positions.

    Raises: RunError if the model has no vectors, or the run no index.
    """
    opened, target = Run.open(run), Path(out)
    check_target(target)
    model = ranker_of(opened, index="exact")[1]
    if not has_vectors(model):
        raise RunError(f"{opened.facts['model']} has no vectors to export")
    if form == "index":
        if what != "items":
            raise DataError(f"the index holds items, not {what}: leave what out")
        return _index(opened, model, target)
    vocabulary, vectors = _vectors(opened, model, what)
    if form == "parquet":
        with whole(target) as beside:
            pq.write_table(vector_table(vocabulary, vectors), beside)
    elif form in ("word2vec", "word2vec-binary"):
        with whole(target) as beside:
            write_word2vec(beside, vocabulary, vectors, binary=form == "word2vec-binary")
    else:
        raise DataError(f"form is parquet, word2vec, word2vec-binary or index, not {form!r}")
    return len(vocabulary)


def check_target(target: Path, inputs: Iterable[Source | None] = ()) -> None:
    """Before the work, not after it; inputs: what the work reads.

    Raises: DataError if a file cannot be written there, or the work reads it.
    """
    if not target.parent.is_dir():
        raise DataError(f"there is no folder {target.parent} to write {target.name} into")
    if target.is_dir():
        raise DataError(f"{target} is a folder: name a file")
    if (target.parent / MANIFEST).exists():
        raise DataError(f"{target.parent} is a run: write {target.name} outside of it")
    read = [Path(each) for each in inputs if isinstance(each, (str, Path))]
    if target.exists() and any(each.exists() and target.samefile(each) for each in read):
        raise DataError(f"{target} is read by this command: name another file")


def _vectors(run: Run, model: VectorModel, what: str) -> tuple[Vocabulary, Vectors]:
    if what == "users":
        events = load_log(run)[0].interactions
        vectors = model.users(events)
        there = np.flatnonzero((vectors != 0).any(axis=1))
        return events.users.select(there), vectors[there]
    if what not in ("items", "neighbours"):
        raise DataError(f"what is items, neighbours or users, not {what!r}")
    embeddings = model.items if what == "items" else model.neighbours
    removed = removed_items(run, len(embeddings.known))
    rows = np.flatnonzero(embeddings.known & ~removed)
    return embeddings.vocabulary.select(rows), embeddings.vectors[rows]


def vector_table(vocabulary: Vocabulary, vectors: Vectors) -> pa.Table:
    """Columns id and vector, a fixed-size list of float32."""
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    column = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    return pa.table({"id": vocabulary.ids, "vector": column})


def _index(run: Run, model: VectorModel, target: Path) -> int:
    facts = run.facts.get("index")
    if not facts:
        raise RunError(f"{run.folder} has no index: build it with `recembed index --kind annoy`")
    rows = np.flatnonzero(model.items.known)[: facts["meta"]["n"]]  # later ones are beside it
    ids = pa.table({"position": np.arange(len(rows)), "id": model.items.vocabulary.take(rows)})
    with whole(target) as beside:
        shutil.copyfile(run.path("index"), beside)
    with whole(target.with_name(target.name + ".ids.parquet")) as beside:
        pq.write_table(ids, beside)
    return len(rows)
