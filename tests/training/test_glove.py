"""GloVe against plain NumPy, its optimum, its bytes, and what stops it."""

from dataclasses import replace

import numpy as np
import pytest

from recembed import seed as seeds
from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.progress import Progress
from recembed.protocols import Machine
from recembed.training import cooccurrence, glove
from recembed.training.glove import Setting, train

N = 40
SETTING = Setting(dim=11, window=3, x_max=10.0, exponent=0.75, epochs=3, learning_rate=0.05)
ONE = Machine(threads=1)


def corpus(sentences=150, seed=0):
    """Sentences of ten of the eight items of one of five clusters."""
    random = np.random.default_rng(seed)
    return Sequences.of(
        [(random.integers(0, 8, 10) * 5 + random.integers(5)).tolist() for _ in range(sentences)]
    )


@pytest.fixture(autouse=True)
def parts_of_200_pairs(monkeypatch):
    """An epoch is a few chunks."""
    monkeypatch.setattr(cooccurrence, "PAIRS_A_PART", 50)


@pytest.fixture
def trained(tmp_path_factory):
    """Vectors and losses of the corpus."""

    def run(setting=SETTING, given=None, **more):
        folder = tmp_path_factory.mktemp("pairs")
        more = {"machine": ONE} | more
        return train(corpus() if given is None else given, N, setting, folder, **more)

    return run


class Plain:
    """The same in float64, pair by pair, each of both orders a step of its own."""

    def __init__(self, files, setting, seed):
        self.setting, random = setting, seeds.rng(seed, "glove", "start")
        start = (random.random((N, 2, setting.dim + 1), np.float32).astype(float) - 0.5) / (
            setting.dim
        )
        self.own, self.context = start[:, 0].copy(), start[:, 1].copy()  # the bias comes last
        self.own_squares, self.context_squares = np.ones_like(self.own), np.ones_like(self.own)
        self.losses = []
        for epoch in range(setting.epochs):
            self.found = []
            for at, file in enumerate(seeds.rng(seed, "glove", epoch).permutation(len(files))):
                pairs = np.fromfile(files[file], cooccurrence.PAIR).tolist()
                first = seeds.rng(seed, "glove", epoch, at).integers(len(pairs))
                for row, column, weight in pairs[first:] + pairs[:first]:
                    self.step(row, column, weight)
                    if row != column:
                        self.step(column, row, weight)
            self.losses.append(np.mean(self.found))

    def step(self, row, column, weight):
        own, context = self.own[row], self.context[column]
        off = own[:-1] @ context[:-1] + own[-1] + context[-1] - np.log(weight)
        share = min(1, weight / self.setting.x_max) ** self.setting.exponent
        self.found.append(share * off**2 / 2)
        slope = self.setting.learning_rate * share * off
        for_own, for_context = np.append(context[:-1], 1), np.append(own[:-1], 1)
        for vector, squares, step in (
            (own, self.own_squares[row], slope * for_own),
            (context, self.context_squares[column], slope * for_context),
        ):
            vector -= step / np.sqrt(squares)
            squares += step**2


@pytest.mark.parametrize("dim", [1, 8, 11, 16, 40])
@pytest.mark.parametrize("values", [{}, {"exponent": 0.3, "x_max": 2.0, "learning_rate": 0.2}])
def test_vectors_and_losses_are_those_of_plain_numpy(trained, tmp_path, dim, values):
    setting = replace(SETTING, dim=dim, **values)
    vectors, losses = trained(setting, seed=5)
    files = cooccurrence.count(corpus(), N, 3, tmp_path, memory=ONE.memory, seed=5)
    assert len(files) > 3
    plain = Plain(files, setting, 5)
    np.testing.assert_allclose(vectors, (plain.own + plain.context)[:, :-1], atol=1e-4)
    np.testing.assert_allclose(losses, plain.losses, rtol=1e-4)


def test_enough_dimensions_reproduce_all_logarithms(trained):
    """With as many dimensions as rows the least squares have a solution without error."""
    losses = trained(replace(SETTING, dim=N, epochs=400, learning_rate=0.2))[1]
    assert losses[0] > 0.05
    assert losses[-1] < 1e-3 * losses[0]


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_of_a_cluster_are_nearest_to_each_other(trained, threads):
    setting = replace(SETTING, epochs=40, dim=8)
    vectors = trained(setting, machine=Machine(threads=threads), given=corpus(1500))[0]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = unit @ unit.T
    np.fill_diagonal(scores, -1)
    near = np.argsort(-scores, axis=1)[:, :7]
    assert (near % 5 == np.arange(N)[:, None] % 5).mean() > 0.95  # by chance: 0.18


def test_one_thread_and_one_seed_give_the_same_bytes_another_seed_does_not(trained):
    one, same, other = (trained(seed=seed)[0].tobytes() for seed in (0, 0, 1))
    assert one == same != other


def test_a_row_that_never_stands_beside_another_keeps_its_start(trained):
    given = Sequences.of([[0, 1, 2], [0, 2, 1], [3]])
    vectors, _ = trained(replace(SETTING, epochs=1), given=given)
    longer, _ = trained(replace(SETTING, epochs=9), given=given)
    moved = (vectors != longer).any(axis=1)
    assert moved[:3].all()
    assert not moved[3:].any()


@pytest.mark.parametrize("rows", [[], [[]], [[3]], [[1], [], [2]]])
def test_sequences_of_one_item_teach_nothing(trained, rows):
    with pytest.raises(DataError, match="no sequence has two items"):
        trained(given=Sequences.of(rows))


@pytest.mark.parametrize("rate", [1e4, 1e20, 1e38])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_silly_learning_rate_names_the_epoch_itself_and_what_to_do(trained, rate, threads):
    with pytest.raises(DataError) as error:
        trained(replace(SETTING, learning_rate=rate), machine=Machine(threads=threads))
    said = str(error.value)
    assert said.startswith(f"training diverged in epoch 1 of 3 at learning_rate {rate}: set it low")
    assert "\n" not in said


def test_a_learning_rate_that_is_merely_high_is_not_refused(trained):
    losses = trained(replace(SETTING, learning_rate=0.5, epochs=10))[1]
    assert losses[-1] < losses[0]


class Interrupting(Progress):
    """Progress that raises at one of its calls while training, as Ctrl-C does."""

    def __init__(self, at):
        super().__init__("quiet")
        self.left, self.amounts, self.total, self.before = at, [], 0, 0

    def task(self, label, total, unit):
        made = super().task(label, total, unit)
        if label == "glove":
            made.gen, self.total = self._watched(made.gen), total
        return made

    def _watched(self, generator):
        for task in generator:
            task.advance = self.advance
            yield task
            self.before = task.before

    def advance(self, amount, note):
        self.amounts.append(amount)
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("at", [1, 5, 11])
def test_stopped_after_any_chunk_training_goes_on_to_the_same_bytes(trained, tmp_path, at):
    kept = replace(ONE, checkpoint=tmp_path / "state")
    with pytest.raises(KeyboardInterrupt):
        trained(machine=kept, progress=Interrupting(at))
    told = Interrupting(0)
    vectors, losses = trained(machine=kept, progress=told)
    whole, all_losses = trained()
    assert vectors.tobytes() == whole.tobytes()
    assert losses == all_losses
    assert told.before > 0
    assert told.before + sum(told.amounts) == told.total


def test_the_state_of_another_training_is_refused(trained, tmp_path):
    kept = replace(ONE, checkpoint=tmp_path / "state")
    trained(machine=kept)
    for other in ({"seed": 1}, {"setting": replace(SETTING, window=2)}, {"given": corpus(seed=1)}):
        with pytest.raises(DataError, match="belongs to other data, another setting or seed"):
            trained(machine=kept, **other)


def test_what_diverges_leaves_the_last_good_state(trained, tmp_path, monkeypatch):
    kept = replace(ONE, checkpoint=tmp_path / "state")
    with pytest.raises(KeyboardInterrupt):
        trained(machine=kept, progress=Interrupting(3))
    good = (tmp_path / "state").read_bytes()
    with pytest.raises(DataError, match=f"; the last good state is in {tmp_path / 'state'}"):
        trained(replace(SETTING, learning_rate=1e20), machine=kept)
    assert (tmp_path / "state").read_bytes() == good


def test_pairs_that_are_rarer_than_x_max_count_less(tmp_path):
    np.array([(1, 0, 0.5), (2, 0, 2), (2, 1, 9)], cooccurrence.PAIR).tofile(tmp_path / "pairs")
    part = glove.Part.read(tmp_path / "pairs", replace(SETTING, x_max=2.0, exponent=2.0))
    np.testing.assert_allclose(part.shares, [1 / 16, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(part.logs, np.log([0.5, 2, 9]), rtol=1e-6)
    assert (part.rows.tolist(), part.columns.tolist()) == ([1, 2, 2], [0, 0, 1])
