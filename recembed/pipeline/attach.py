"""Give a run an encoder of texts: items without events are placed, and found, by what they say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recembed.errors import DataError
from recembed.models.stored import ANSWERING, has_vectors, model_of
from recembed.models.text_items import ENCODER, FACT, TEXTS, ItemTexts, text_columns, texts_of
from recembed.pipeline.train import machine_of
from recembed.progress import Progress
from recembed.run.folder import Run, writing
from recembed.run.log import load_log
from recembed.text.encoding import encoded
from recembed.text.stored import encoder_of


@dataclass(frozen=True)
class Attached:
    """items: that a text search finds. placed: those of them that have a vector by their text only.

    empty: items without a text, unknown: with one that the encoder knows nothing of; cut: texts
    that were too long. columns: what they were made of. ridges: of the tables that items are
    placed in, as shares of the texts' mean variance. explained: of each table, the share (0..1) of
    what distinguishes trained items that their texts tell, where each is left out of the learning.
    dropped: what the run had of other lists. note: what else to know.
    """

    items: int
    placed: int
    empty: int
    unknown: int
    cut: int
    columns: tuple[str, ...]
    ridges: dict[str, float]
    explained: dict[str, float]
    dropped: tuple[str, ...] = ()
    note: str | None = None


def attach(
    run: str | Path,
    encoder: str | Path,
    *,
    text: str | Sequence[str] | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Attached:
    """Give RUN the ENCODER that `train_text` made, which is stored in it, and encode all items.

    From then on a text search finds them, and a model with vectors has some for items that it was
    not trained with, too: where a ridge regression from the vectors of texts to those that it
    learned puts them. Those of users stay as they are. text: columns of the item table that are
    put together, a list or one text with commas; None: the title and the likely category. The index
    and reports in the run are dropped: they tell of other lists.

    Raises: DataError without an item table, a column, or texts to learn from.
    """
    machine = machine_of(threads)
    progress = Progress("quiet" if quiet else "auto")
    source = Run.open(encoder, verify=False)
    made = encoder_of(source, machine)
    with writing(run, new=False) as writer:
        opened = Run.open(run, verify=False)
        log, _ = load_log(opened)
        if log.items is None:
            raise DataError(f"{opened.folder} has no item table: train with one (--items)")
        columns = _named(text) or text_columns(log.items)
        texts = texts_of(log.items, columns)
        with progress.task("encode", len(texts), "texts") as task:
            found = encoded(made, texts)
            task.advance(len(texts))
        model = model_of(opened, log.interactions.items, machine)
        placing = model if has_vectors(model) else None
        whole = ItemTexts.of(found.vectors, placing, machine)
        own = whole.known if placing is None else placing.items.known
        writer.arrays(ENCODER, made.arrays())
        writer.arrays(TEXTS, whole.arrays())
        reports = opened.files.keys() - {*ANSWERING}
        for name in reports | {"index"}:
            writer.drop(name)
        dropped = (*(["index"] if opened.has("index") else []), *(["reports"] if reports else []))
        done = Attached(
            items=int(np.count_nonzero(found.vectors.any(axis=1))),
            placed=int(np.count_nonzero(whole.known & ~own)),
            empty=found.empty,
            unknown=found.unknown,
            cut=found.cut,
            columns=columns,
            ridges={name: head.ridge for name, head in whole.heads.items()},
            explained={name: round(head.explained, 4) for name, head in whole.heads.items()},
            dropped=dropped,
            note="; ".join(_notes(opened, whole, dropped)) or None,
        )
        told = {name: source.facts[name] for name in ("model", "setting")}
        about = {"columns": list(columns), "explained": done.explained}
        writer.facts({"index": None, FACT: {**told, **about}})
    progress.say(f"{done.items:,} items have a text, {done.placed:,} are placed by it -> {run}")
    for name, share in done.explained.items():
        progress.say(f"texts explain {share:.0%} of what distinguishes {name}")
    if done.note:
        progress.say(done.note)
    return done


def _notes(run: Run, texts: ItemTexts, dropped: Sequence[str]) -> Iterator[str]:
    """What the caller had better know."""
    if not texts.heads:
        yield f"{run.facts['model']} has no vectors: the encoder serves search by text alone"
    elif not any(head.tells for head in texts.heads.values()):
        yield (
            "texts tell little of these vectors: items placed by them will hardly be recommended"
        )
    if dropped:
        yield f"the {' and the '.join(dropped)} of the run told of other lists and were dropped"
    if "index" in dropped:
        yield f"build the index again: recembed index {run.folder}"


def _named(text: str | Sequence[str] | None) -> tuple[str, ...]:
    names = text.split(",") if isinstance(text, str) else text or ()
    return tuple(name.strip() for name in names if name.strip())
