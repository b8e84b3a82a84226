"""How many texts a second a bag encodes, and how near masked training is to matrix products.

Bars, each the median of rounds, on two threads: bag_texts_per_second >= 100,000, from Python
strings to vectors: the bag as it comes (640 numbers), trained on the sentences of STS-B's train
part, some 11 words each, which are asked nine times over. mlm_matrix_share >= 0.3: the arithmetic
of a masked step a second (matrix products alone are counted, forwards and backwards) over that of a
product of two square matrices, both in float32; a transformer of 4 layers and 256 numbers learns
from 64 sequences of 128 tokens, of which there are 8,192 kinds.
"""

import statistics
from functools import partial

import numpy as np
import torch

from benchmarks.harness import Bar, alternate, at_least, seconds
from benchmarks.text_sts import pairs
from recembed.protocols import Machine
from recembed.text.registry import text_estimator
from recembed.text.texts import Texts
from recembed.training.devices import alone
from recembed.training.texts.guesses import Guesser, Guesses, State
from recembed.training.texts.networks import TextNetwork
from recembed.training.texts.settings import Masked, Transformer

TIMES, THREADS, ROUNDS = 9, 2, 5
SEQUENCES, LENGTH, KINDS, DIM, LAYERS, WIDTH = 64, 128, 8192, 256, 4, 4
SIDE = 2048  # of the square matrices


def measure(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """Both rates, warm."""
    sentences = pairs("train").texts()
    encoder = text_estimator("bag").fit(Texts(held=sentences), machine=Machine(threads=THREADS))
    asked = sentences * TIMES
    encoder.encode(asked)  # kernels are loaded, words are known
    took = statistics.median(seconds(lambda: encoder.encode(asked)) for _ in range(ROUNDS))
    masked, matrix = gigaflops()
    figures = {"mlm_gflop_s": masked, "matrix_gflop_s": matrix}
    return figures, [
        at_least("bag_texts_per_second", len(asked) / took, 100_000),
        at_least("mlm_matrix_share", masked / matrix, 0.3),
    ]


def gigaflops() -> tuple[float, float]:
    """Of masked training and of a matrix product, a second."""
    part = Transformer(layers=LAYERS, width=WIDTH)
    random, setting = np.random.default_rng(0), Masked()
    rows = random.integers(2, KINDS, (SEQUENCES, LENGTH), dtype=np.int32)
    state = State(Guesser(TextNetwork(part, KINDS, DIM)), setting)
    side = torch.randn(SIDE, SIDE)

    def step() -> None:
        state.step(Guesses.of(rows, KINDS, 1, setting.share, random), 1000)

    here = Machine(threads=THREADS)
    with alone(here, torch.device("cpu")):
        took = alternate({"step": step, "matrix": partial(torch.matmul, side, side)}, 3 * ROUNDS)
    layers = LAYERS * ((4 + 2 * WIDTH) * DIM**2 + 2 * LENGTH * DIM)  # a token
    guess = setting.share * (DIM**2 + DIM * KINDS)
    masked = 3 * 2 * rows.size * (layers + guess)  # backwards is twice as much as forwards
    return masked / took["step"] / 1e9, 2 * SIDE**3 / took["matrix"] / 1e9
