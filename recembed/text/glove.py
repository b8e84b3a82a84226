"""GloVe: vectors whose products are near the logarithms of how often words stand together."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from recembed.arrays import Vectors
from recembed.progress import Progress
from recembed.protocols import Machine
from recembed.settings import check, setting
from recembed.text.tokens import Corpus


@dataclass(frozen=True)
class GloVe:
    """Weighted least squares on the logarithms of co-occurrence, by AdaGrad.

    The vector of a word is the sum of its vectors as itself and as context.
    Source: Pennington, Socher, Manning 2014 (aclanthology.org/D14-1162).
    """

    kind: Literal["glove"] = setting("glove", "how often words stand together in the whole corpus")
    window: int = setting(10, "words N apart at most stand together, and count 1 / distance", low=1)
    # the paper's 100 is for 6 to 42 billion words; their demo takes 10 for 17 million
    x_max: float = setting(10.0, "pairs that stand together less than this count less", low=1e-6)
    exponent: float = setting(
        0.75, "as (times together / x_max) ** exponent; 0: all alike", low=0, high=4
    )
    epochs: int = setting(15, "passes over the pairs", low=1)
    learning_rate: float = setting(0.05, "step size of AdaGrad", low=1e-6)

    def __post_init__(self) -> None:
        check(self)

    def learn(
        self,
        text: Corpus,
        dim: int,
        folder: Path,
        *,
        seed: int,
        machine: Machine,
        progress: Progress,
    ) -> tuple[Vectors, None]:
        """A vector of each word."""
        from recembed.training.glove import Setting, train

        own = asdict(self)
        del own["kind"]
        setting, n_words = Setting(dim=dim, **own), len(text.vocabulary)
        vectors, _ = train(
            text.sentences,
            n_words,
            setting,
            folder,
            seed=seed,
            machine=machine,
            progress=progress,
        )
        return vectors, None

    def restored(self, arrays: Any, n_words: int) -> None:
        """What unknown words are put together from: nothing."""
