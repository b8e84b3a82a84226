"""`validate`: who is asked, what comes back, and what passes through."""

from dataclasses import replace

import numpy as np
import pytest

from recembed.errors import DataError
from recembed.models.registry import estimator, names
from recembed.settings import change, flat
from recembed.training.rounds import Rounds

SMALL = {"item2vec": {"negatives": 3}}  # a kernel that other tests compile, too


def rounds_of(name):
    """The field that counts a model's rounds, if it has any."""
    return next(iter({"epochs", "iterations"} & flat(MODELS[name]).keys()), None)


MODELS = {name: estimator(name) for name in names()}
ROUNDED = [name for name in MODELS if rounds_of(name)]


def small(name, rounds):
    return change(MODELS[name], {"dim": 8, rounds_of(name): rounds, **SMALL.get(name, {})})


class Asked:
    """Answers with the values given, in turn, and keeps the models and their bytes as shown."""

    def __init__(self, values):
        self.values, self.models, self.bytes = list(values), [], []

    def __call__(self, model):
        self.models.append(model)
        self.bytes.append(content(model))
        return self.values[len(self.models) - 1]


def content(model):
    return {name: np.array(array).tobytes() for name, array in model.arrays().items()}


@pytest.mark.parametrize("name", ROUNDED)
def test_the_best_round_comes_back_as_it_was_when_it_was_asked_about(name, planted, one):
    asked = Asked([0.1, 0.3, 0.9, 0.2])
    best = small(name, 4).fit(planted.log, validate=asked, seed=3, machine=one)
    assert len(asked.models) == 4
    assert content(best) == asked.bytes[2] != asked.bytes[3]


@pytest.mark.parametrize("name", ROUNDED)
def test_being_asked_changes_nothing_of_the_training(name, planted, one):
    rising = Asked([0.1, 0.2, 0.3, 0.4])
    watched = small(name, 4).fit(planted.log, validate=rising, seed=3, machine=one)
    alone = small(name, 4).fit(planted.log, seed=3, machine=one)
    assert content(watched) == content(alone)


@pytest.mark.parametrize("name", ROUNDED)
def test_what_is_asked_about_can_rank(name, planted, one, ranked):
    found = []

    def listed(model):
        found.append(ranked(model).top_k(planted.histories, 5).rows)
        return 0.0

    small(name, 2).fit(planted.log, validate=listed, machine=one)
    assert [rows.shape for rows in found] == [(200, 5)] * 2
    assert (found[0] != found[1]).any()


@pytest.mark.parametrize("name", ROUNDED)
def test_an_error_that_it_raises_comes_through(name, planted, one):
    class Pruned(Exception):
        pass

    calls = []

    def prune(model):
        calls.append(model)
        raise Pruned

    with pytest.raises(Pruned):
        small(name, 4).fit(planted.log, validate=prune, machine=one)
    assert len(calls) == 1


@pytest.mark.parametrize("name", sorted({*MODELS} - {*ROUNDED}))
def test_a_model_without_rounds_never_asks(name, planted, one):
    asked = Asked([])
    MODELS[name].fit(planted.log, validate=asked, machine=one)
    assert asked.models == []


def test_a_best_round_that_a_checkpoint_would_forget_is_refused(planted, one, tmp_path):
    machine = replace(one, checkpoint=tmp_path / "state")
    with pytest.raises(DataError, match="does not keep the best round: leave it or validate out"):
        small("item2vec", 2).fit(planted.log, validate=lambda model: 0.0, machine=machine)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("total", [1, 2, 9, 10, 11, 25, 60, 101])
def test_ten_looks_at_most_spread_evenly_and_one_at_the_end(total):
    looks = []
    rounds = Rounds(lambda at: looks.append(at) or 0.0, total)
    for done in range(1, total + 1):
        rounds.after(done, lambda done=done: done)
    assert len(looks) == min(total, 10)
    assert looks[-1] == total
    gaps = np.diff([0, *looks])
    assert gaps.max() - gaps.min() <= 1


def test_a_round_that_was_asked_about_is_not_asked_again():
    looks = []
    rounds = Rounds(lambda at: looks.append(at) or 0.0, 4)
    for done in (1, 1, 2, 2, 1, 3):
        rounds.after(done, lambda done=done: done)
    assert looks == [1, 2, 3]


@pytest.mark.parametrize("most", [1, 3, 20])
def test_looks_are_at_most_as_many_as_asked_for(most):
    rounds = Rounds(lambda at: 0.0, 30, most=most)
    for done in range(1, 31):
        rounds.after(done, lambda: "model")
    assert len(rounds.looks) == most
    assert rounds.looks[-1] == (30, 0.0)


def test_patience_counts_looks_since_the_best_and_numbers_that_are_none_too():
    values = iter([0.1, 0.3, 0.3, float("nan"), 0.4, 0.2, 0.1])
    rounds, over = Rounds(lambda _: next(values), 7, patience=2), []
    for done in range(1, 8):
        rounds.after(done, lambda done=done: done)
        over.append(rounds.over)
    assert over == [False, False, False, True, False, False, True]
    assert (rounds.best, rounds.top) == (5, (5, 0.4))


def test_of_equal_rounds_the_first_is_kept_and_a_value_that_is_no_number_never():
    values = iter([float("nan"), 0.5, 0.5, float("nan")])
    rounds = Rounds(lambda _: next(values), 4)
    for done in range(1, 5):
        rounds.after(done, lambda done=done: done)
    assert rounds.end(lambda: -1) == 2
    assert Rounds(None, 4).end(lambda: -1) == -1
