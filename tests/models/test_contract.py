"""What every estimator promises."""

import json
from dataclasses import replace

import numpy as np

from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.models.registry import estimator, restore
from recembed.models.stored import has_vectors
from recembed.models.units import unit_matrix
from recembed.run.folder import Run, writing
from recembed.settings import as_dict

ONLY_COUNTING = {"popularity", "repeat", "repeat, newest habits first"}


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("rows", "scores", "tied")
    )


def taken(top, rows):
    return replace(top, rows=top.rows[rows], scores=top.scores[rows], tied=top.tied[rows])


def share_of_favourites(top, planted):
    """Mean share of listed items that are of the user's favourite cluster."""
    return float((planted.cluster[top.rows] == planted.favourite[:, None]).mean())


def test_a_planted_cluster_is_found_far_better_than_by_popularity(case, trained, planted):
    seen = planted.histories.events
    top = trained.ranker.top_k(planted.histories, 4, exclude=seen)
    popular = estimator("popularity").fit(planted.log).top_k(planted.histories, 4, exclude=seen)
    assert share_of_favourites(popular, planted) < 0.25
    if case in ONLY_COUNTING:
        assert np.array_equal(top.rows, popular.rows)
    else:
        assert share_of_favourites(top, planted) > 0.6


def test_lists_are_full_ordered_and_without_doubles(trained, planted):
    n, known = planted.histories.n_items, trained.ranker.known.sum()
    top = trained.ranker.top_k(planted.histories, n)
    assert known == n - len(planted.untrained)
    assert (top.rows[:, known:] == -1).all()
    assert (top.scores[:, known:] == -np.inf).all()
    assert (np.sort(top.rows[:, :known]) == np.flatnonzero(trained.ranker.known)).all()
    assert (np.diff(top.scores[:, :known]) <= 0).all()


def test_items_nobody_trained_are_never_recommended(trained, planted):
    assert not trained.ranker.known[planted.untrained].any()
    everything = np.ones(planted.histories.n_items, bool)
    top = trained.ranker.top_k(planted.histories, planted.histories.n_items, allow=everything)
    assert not np.isin(top.rows, planted.untrained).any()


def test_items_nobody_trained_do_not_move_a_history(trained, planted):
    """They stand at the end, where they would be the newest events."""
    rng = np.random.default_rng(0)
    rows = [
        [*planted.histories.events[u], *rng.choice(planted.untrained, u % 3)] for u in range(20)
    ]
    plain = replace(planted.histories.take_users(np.arange(20)), time=None)
    group = np.concatenate(
        [plain.group[plain.events.positions(np.array([u]))].tolist() + [10**6 + u] * (u % 3)
         for u in range(20)]
    ).astype(np.int64)  # fmt: skip
    longer = replace(plain, events=Sequences.of(rows), group=group)
    assert same(trained.ranker.top_k(longer, 30), trained.ranker.top_k(plain, 30))


def test_exclude_and_allow_are_obeyed(trained, planted):
    rng = np.random.default_rng(1)
    n, users = planted.histories.n_items, planted.histories.n_users
    exclude = Sequences.of([rng.choice(n, 30).tolist() for _ in range(users)])
    mask = rng.random(n) < 0.6
    top = trained.ranker.top_k(planted.histories, n, exclude=exclude, allow=mask)
    lists = Sequences.of([np.flatnonzero(mask).tolist()] * users)
    assert same(trained.ranker.top_k(planted.histories, n, exclude=exclude, allow=lists), top)
    for user in range(users):
        expected = set(np.flatnonzero(mask & trained.ranker.known)) - set(exclude[user].tolist())
        assert set(top.rows[user].tolist()) - {-1} == expected


def test_a_batch_is_answered_as_one_by_one_and_in_any_order(trained, planted):
    top = trained.ranker.top_k(planted.histories, 10)
    order = np.random.default_rng(2).permutation(planted.histories.n_users)
    moved = trained.ranker.top_k(planted.histories.take_users(order), 10)
    assert same(moved, taken(top, order))
    for user in range(12):
        alone = trained.ranker.top_k(planted.histories.take_users(np.array([user])), 10)
        assert same(alone, taken(top, [user]))


def test_a_users_name_does_not_matter_so_new_users_are_placed_alike(trained, planted):
    strangers = Vocabulary.numbered(planted.histories.n_users, "user")
    renamed = replace(planted.histories, users=strangers)
    top = trained.ranker.top_k(planted.histories, 10)
    assert same(trained.ranker.top_k(renamed, 10), top)


def test_an_empty_history_is_answered_and_no_users_are_no_lists(trained, planted):
    few = planted.histories.take_users(np.arange(3))
    first_only = few.keep(few.events.owners() == 0)
    top = trained.ranker.top_k(first_only, 5)
    assert (top.rows >= 0).all()
    assert np.isfinite(top.scores).all()
    assert same(taken(top, [0]), taken(trained.ranker.top_k(few, 5), [0]))
    assert trained.ranker.top_k(few.take_users(np.zeros(0, int)), 5).rows.shape == (0, 5)


def test_a_restored_model_gives_the_same_answers(trained, planted, ranked, tmp_path):
    with writing(tmp_path / "run", new=True) as writer:
        writer.arrays("model", trained.model.arrays())
    stored = Run.open(tmp_path / "run").arrays("model")
    values = json.loads(json.dumps(as_dict(trained.estimator)))
    again = restore(trained.estimator.name, values, planted.histories.items, stored)
    for name, array in again.arrays().items():
        assert array.tobytes() == trained.model.arrays()[name].tobytes()
    seen = planted.histories.events
    top = trained.ranker.top_k(planted.histories, 20, exclude=seen)
    assert same(ranked(again).top_k(planted.histories, 20, exclude=seen), top)


def test_one_seed_and_one_thread_give_the_same_bytes(trained, again):
    for name, array in trained.model.arrays().items():
        assert again.model.arrays()[name].tobytes() == array.tobytes()


def test_another_seed_moves_what_starts_at_random(trained, make, planted, one):
    before = planted.histories.fingerprint()
    other = make.fit(planted.log, seed=4, machine=one)
    assert planted.histories.fingerprint() == before  # and training leaves the log as it was
    differ = [
        name
        for name, array in trained.model.arrays().items()
        if other.arrays()[name].tobytes() != array.tobytes()
    ]
    assert bool(differ) == has_vectors(trained.model)


def test_vectors_of_untrained_items_are_zero_and_of_others_are_not(trained, planted):
    if not has_vectors(trained.model):
        assert not hasattr(trained.model, "items")
        return
    for table in (trained.model.items, trained.model.neighbours):
        assert table.vectors.dtype == np.float32
        assert np.array_equal(table.vectors.any(axis=1), planted.cluster >= 0)
        assert np.array_equal(table.known, planted.cluster >= 0)
    users = trained.model.users(planted.histories)
    assert users.dtype == np.float32
    assert users.shape == (planted.histories.n_users, trained.model.items.dim)


def test_progress_ends_at_its_total(again, planted):
    setting, events = again.estimator, planted.histories
    unit = getattr(setting, "unit", "user")
    # of a user's events the first has no past; each basket of four has one even alone
    examples = len(events) - events.n_users if unit == "user" else len(events) // 4
    totals = {
        "item2vec": lambda: f"{setting.epochs * len(events):,} tokens",
        "two-tower": lambda: f"{setting.epochs * examples:,} positions",
        "als": lambda: f"{setting.iterations} rounds",
        "ials": lambda: f"{setting.iterations} rounds",
        "bpr": lambda: f"{setting.iterations} rounds",
        "lightgcn": lambda: f"{setting.epochs * unit_matrix(events, unit).nnz:,} pairs",
        "ease": lambda: f"{events.n_items - len(planted.untrained)} items",
        "item-knn": lambda: f"{events.n_items} items",
    }
    lines = again.said.splitlines()
    assert len(lines) == (setting.name in totals)
    for line in lines:
        assert f": done, {totals[setting.name]()} in " in line
