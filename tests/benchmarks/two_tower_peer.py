"""Stand-alone, run by the peers' python: how fast RecTools' SASRecModel trains, when asked.

    python two_tower_peer.py FILE THREADS

FILE is an .npz: user, item of the events, in order. A line of standard input is one JSON object:
arguments of SASRecModel, and how many `steps` to train. The answer is the target positions a second
of these steps, what stands around and before them (frames, model, the first steps) left out.
"""

import json
import logging
import sys
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer
from rectools.dataset import Dataset
from rectools.models import SASRecModel

WARM = 3  # steps until memory and threads are there


class Watch(Callback):
    """Counts the positions that have a target, and the time that they take."""

    def __init__(self) -> None:
        self.positions, self.begin, self.end = 0, 0.0, 0.0

    def on_train_batch_end(
        self, trainer: Any, module: Any, outputs: Any, batch: dict[str, torch.Tensor], step: int
    ) -> None:
        self.end = time.perf_counter()
        if step < WARM:
            self.begin = self.end
        else:
            self.positions += int((batch["y"] != 0).sum())


def trainer(steps: int) -> Trainer:
    """RecTools' own, but for the number of steps."""
    return Trainer(
        max_epochs=1,
        limit_train_batches=WARM + steps,
        accelerator="cpu",
        devices=1,
        callbacks=[Watch()],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        logger=False,
    )


def rate(dataset: Dataset, steps: int, setting: dict[str, Any]) -> float:
    """Target positions a second."""
    model = SASRecModel(**setting, get_trainer_func=lambda: trainer(steps))
    model.fit(dataset)
    assert model.fit_trainer is not None
    (watch,) = (each for each in model.fit_trainer.callbacks if isinstance(each, Watch))
    return watch.positions / (watch.end - watch.begin)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(int(sys.argv[2]))
    arrays = np.load(sys.argv[1])
    events = pd.DataFrame({"user_id": arrays["user"], "item_id": arrays["item"], "weight": 1})
    events["datetime"] = pd.to_datetime(np.arange(len(events)), unit="s")
    dataset = Dataset.construct(events)
    for line in sys.stdin:
        asked = json.loads(line)
        print(rate(dataset, asked.pop("steps"), asked), flush=True)
