"""A process of its own that trains on mapped corpora and watches its memory; see skipgram_scale.

    python skipgram_process.py SETTING N_ROWS THREADS FOLDER...

SETTING is a SkipGram as JSON, a FOLDER has values.npy and offsets.npy. Prints one JSON object: the
seconds of each training in turn, and anonymous memory (what cannot be dropped and read again from a
file, so without mapped pages) after importing and at its peak, in MiB.
"""

import json
import re
import sys
import threading
import time
from pathlib import Path

import numpy as np

from recembed.data.sequences import Sequences
from recembed.training.skipgram import SkipGram, train

EVERY = 0.05  # seconds between two looks: a copy of 100 M tokens is there for longer


def anonymous() -> float:
    """Anonymous memory of this process now, MiB."""
    found = re.search(r"^Anonymous: +(\d+) kB", Path("/proc/self/smaps_rollup").read_text(), re.M)
    assert found
    return int(found[1]) / 1024


class Watch(threading.Thread):
    """Looks at the memory until told to end."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.start_mib = self.peak_mib = anonymous()
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(EVERY):
            self.peak_mib = max(self.peak_mib, anonymous())


def main(setting: str, n_rows: str, threads: str, folders: list[str]) -> None:
    """Train on one folder after another."""
    engine, seconds = SkipGram(**json.loads(setting)), []
    watch = Watch()
    watch.start()
    for folder in folders:
        arrays = (np.load(Path(folder) / f"{each}.npy", "r") for each in ("values", "offsets"))
        corpus = Sequences(*arrays)
        begin = time.perf_counter()
        train(corpus, int(n_rows), engine, threads=int(threads))
        seconds.append(time.perf_counter() - begin)
    watch.over.set()
    watch.join()
    memory = {"start_mib": watch.start_mib, "peak_mib": watch.peak_mib}
    print(json.dumps({"seconds": seconds, **memory}))


if __name__ == "__main__":
    main(*sys.argv[1:4], sys.argv[4:])
