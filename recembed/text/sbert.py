"""Models of sentence-transformers, as they are."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Vectors
from recembed.errors import DataError, MissingExtra
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Arrays, Machine
from recembed.settings import check, setting
from recembed.text.encoder import Encoder, Judge
from recembed.text.encoding import refuse_tuning
from recembed.text.pairs import TextPairs
from recembed.text.texts import Texts

PLAIN = (".safetensors", ".json", ".txt", ".model")  # files that run nothing when they are read


@dataclass(frozen=True)
class SentenceTransformers:
    """A model of sentence-transformers, from a folder or from the Hugging Face hub.

    Texts teach it nothing. The run holds the whole model: to use it, the folder is not needed.
    """

    name: ClassVar[str] = "sbert"
    resumes: ClassVar[bool] = False
    path: str = setting(
        "sentence-transformers/all-MiniLM-L6-v2", "a model's folder, or its name on the hub"
    )
    batch_size: int = setting(32, "texts at once", low=1)

    def __post_init__(self) -> None:
        check(self)

    def ready(self, pairs: TextPairs | None = None) -> None:
        refuse_tuning(self.name, pairs, None)
        _check_library(self.name)

    def fit(
        self,
        texts: Texts,
        *,
        pairs: TextPairs | None = None,
        judge: Judge | None = None,
        start: Encoder | None = None,
        seed: int = 0,
        machine: Machine = THIS_MACHINE,
        progress: Progress = QUIET,
    ) -> "SentenceEncoder":
        """Load it; a name of the hub is downloaded once.

        Raises: MissingExtra without sentence-transformers; DataError if there is no such model,
        its weights are a pickle or it needs code of its own.
        """
        refuse_tuning(self.name, pairs, start)
        self.ready()
        if not self.path:
            raise DataError("path is a model's folder, or its name on the hub: none is given")
        folder = self.path if Path(self.path).is_dir() else _downloaded(self.path)
        return self._loaded(folder, machine)

    def restore(
        self, arrays: Mapping[str, NDArray[Any]], machine: Machine = THIS_MACHINE
    ) -> "SentenceEncoder":
        _check_library(self.name)
        with TemporaryDirectory() as folder:
            for name, content in arrays.items():
                _check(name)
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                content.tofile(path)
            return self._loaded(folder, machine)

    def _loaded(self, folder: str, machine: Machine) -> "SentenceEncoder":
        from sentence_transformers import SentenceTransformer

        from recembed.training.devices import alone, device_of

        device = device_of(machine)
        try:
            with alone(machine, device), _silent():
                model = SentenceTransformer(
                    folder,
                    device=str(device),
                    local_files_only=True,
                    model_kwargs={"use_safetensors": True},  # never a pickle
                )
        except Exception as error:  # whatever the libraries underneath raise
            raise DataError(_why(folder, error)) from error
        return SentenceEncoder(model.eval(), self.batch_size, machine)


@dataclass(frozen=True, eq=False)
class SentenceEncoder:
    """model: a SentenceTransformer."""

    model: Any
    batch_size: int
    machine: Machine

    @property
    def dim(self) -> int:
        return int(self.model.get_embedding_dimension())

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 [n, dim], as the model has them, except that an empty text is zeros."""
        from recembed.training.devices import alone

        vectors = np.zeros((len(texts), self.dim), np.float32)
        there = [at for at, text in enumerate(texts) if text.strip()]
        # half of a surrogate pair is no text to a tokenizer
        clean = [texts[at].encode(errors="replace").decode() for at in there]
        if there:
            with alone(self.machine, self.model.device):
                vectors[there] = self.model.encode(
                    clean, batch_size=self.batch_size, show_progress_bar=False
                )
        return vectors

    def arrays(self) -> Arrays:
        """The files of the model, by their names."""
        with TemporaryDirectory() as folder, _silent():
            self.model.save_pretrained(folder, create_model_card=False)
            files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
            names = [path.relative_to(folder).as_posix() for path in files]
            for name in names:
                _check(name)
            return {
                name: np.fromfile(path, np.uint8) for name, path in zip(names, files, strict=True)
            }


@contextmanager
def _silent() -> Iterator[None]:
    """Without a bar while weights are read or written."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _check(name: str) -> None:
    """Raises: DataError if a file lies outside of the model's folder, or could run code."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or path.suffix not in PLAIN:
        raise DataError(f"a model has no file {name!r} here: only weights, settings and words")


def _check_library(name: str) -> None:
    try:
        import sentence_transformers  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "sentence_transformers":
            raise
        raise MissingExtra(name, "sbert") from error


def _downloaded(name: str) -> str:
    """The folder of a model of the hub, from an earlier download where there is no network."""
    from huggingface_hub import snapshot_download

    try:
        return str(snapshot_download(name, allow_patterns=[f"*{suffix}" for suffix in PLAIN]))
    except (OSError, ValueError) as error:
        why = str(error).splitlines()[0]
        raise DataError(f"{name} is no folder, and cannot be had from the hub: {why}") from error


def _why(folder: str, error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    pickled = not any(Path(folder).rglob("*.safetensors")) and any(Path(folder).rglob("*.bin"))
    what = "its weights are a pickle: save it with safetensors" if pickled else lines[0]
    return f"there is no model of sentence-transformers to read in {folder}: {what}"
