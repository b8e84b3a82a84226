"""The encoder that a run holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from recembed.errors import MissingExtra, RunError
from recembed.protocols import THIS_MACHINE, Machine
from recembed.run.folder import Run
from recembed.run.log import kind_of
from recembed.text.encoder import Encoder
from recembed.text.registry import text_estimator

KIND = "encoder"  # the fact that tells a run of an encoder from one of items or words
ARRAYS = "model"


def encoder_of(run: str | Path | Run, machine: Machine = THIS_MACHINE) -> Encoder:
    """What `train_text` made.

    Raises: RunError for a run of something else, or one that is not whole; MissingExtra where a
    package that it needs is not there.
    """
    opened = run if isinstance(run, Run) else Run.open(run, verify=False)
    check_encoder(opened)
    return restored(opened, opened.facts, opened.arrays(ARRAYS), machine)


def check_encoder(run: Run) -> None:
    """Raises: RunError if a run is not one of an encoder."""
    if run.facts.get("kind") != KIND:
        raise RunError(
            f"{run.folder} is a run of {kind_of(run)}, not of an encoder: "
            "`recembed text train` makes one"
        )


def restored(
    run: Run, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], machine: Machine
) -> Encoder:
    """An encoder from its facts, "model" and "setting", and its arrays, all of them of a run.

    Raises: RunError if they do not fit together.
    """
    try:
        return text_estimator(facts["model"], facts["setting"]).restore(arrays, machine)
    except MissingExtra:
        raise
    except (KeyError, TypeError, IndexError, ValueError) as error:  # DataError is a ValueError
        raise RunError(
            f"the encoder in {run.folder} is not whole ({error}): train again"
        ) from error
