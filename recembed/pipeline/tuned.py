"""What a search found, as a file that training reads."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recembed.errors import DataError
from recembed.report.document import Search
from recembed.report.plain import of_plain, to_plain
from recembed.run.whole import whole


@dataclass(frozen=True)
class Tuned:
    """The best setting of a model.

    set: hyperparameters by dotted name, those that were fixed and those that were chosen, with the
    kind of each part. value: of `metric` on the valid part. test, valid, split_seed: what cut the
    log. data: its fingerprint.
    """

    model: str
    set: Mapping[str, Any]
    metric: str
    value: float
    test: str
    valid: str
    split_seed: int
    data: str
    search: Search

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all."""
        with whole(path) as beside:
            text = json.dumps(to_plain(self), indent=1, ensure_ascii=False) + "\n"
            beside.write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, path: str | Path) -> "Tuned":
        """Raises: DataError if the file is none that `write` wrote."""
        wrong = f"{path} is not what `recembed tune` writes (best.json)"
        try:
            found = of_plain(cls, json.loads(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise DataError(f"{wrong}: {error}") from error
        if not isinstance(found.model, str) or not isinstance(found.set, Mapping):
            raise DataError(f"{wrong}: it names no model, or no setting")
        return found
