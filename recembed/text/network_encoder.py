"""What places texts by a trained network, and how it is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Vectors, blocks_of
from recembed.errors import DataError, MissingExtra
from recembed.protocols import THIS_MACHINE, Arrays, Machine
from recembed.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from recembed.training.rounds import Training
    from recembed.training.texts.networks import TextNetwork

TOKENS = 1 << 14  # placed at once: what a layer makes of them is 64 MB at dim 256
DIGEST = "digest"
WEIGHTS = "weights."


def check_torch() -> None:
    """Raises: MissingExtra where there is no torch."""
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra("a network, or learning from pairs,", "torch") from error


@dataclass(frozen=True, eq=False)
class NetworkEncoder:
    """A trained network with the tokenizer that it reads by. training: how its last one went."""

    network: "TextNetwork"
    tokenizer: Tokenizer
    longest: int
    machine: Machine = THIS_MACHINE
    training: "Training | None" = None

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.network.dim

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 [n, dim]; zeros for a text without tokens."""
        import torch

        from recembed.training.devices import alone
        from recembed.training.texts.packed import Packed

        rows = self.tokenizer.rows(texts, self.longest)
        order = np.argsort(rows.sizes, kind="stable")  # so that blocks are of about one length
        found = np.zeros((len(rows), self.dim), np.float32)
        self.network.eval()
        with torch.inference_mode(), alone(self.machine, self.network.device):
            for part in blocks_of(rows.sizes[order], TOKENS):
                packed = Packed.of(rows.take(order[part]), self.network.device)
                found[order[part]] = self.network(packed).float().cpu().numpy()
        return found

    def weights(self) -> dict[str, NDArray[Any]]:
        """Of the network, by name."""
        return {name: each.cpu().numpy() for name, each in self.network.state_dict().items()}

    def put(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Take the weights of a network of the same setting.

        Raises: DataError if they are of another.
        """
        import torch

        tensors = {name: torch.from_numpy(np.array(each)) for name, each in weights.items()}
        try:
            self.network.load_state_dict(tensors)
        except RuntimeError as error:
            raise DataError("the weights are of another network than the setting tells") from error

    def arrays(self) -> Arrays:
        digest = np.frombuffer(self.tokenizer.digest.encode(), np.uint8)
        found: Arrays = {"tokenizer": self.tokenizer.array(), DIGEST: digest}
        return found | {WEIGHTS + name: each for name, each in self.weights().items()}
