"""How `bin/bench text` places items that nobody touched; nothing large is trained."""

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from recembed.data.catalogue import Catalogue
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary

ROOT = Path(__file__).parents[1]
WORDS = (("rose", "lily", "fern"), ("bolt", "nail", "screw"))


@pytest.fixture
def cold(monkeypatch):
    """The module."""
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    return importlib.import_module("benchmarks.text_cold")


@pytest.fixture
def asked(cold):
    """Users of one of two sorts of items; the last four items are cold, two of each sort."""
    random = np.random.default_rng(0)
    histories = [random.choice(np.arange(user % 2, 20, 2), 6).tolist() for user in range(60)]
    items = Vocabulary.numbered(24, "item")
    events = Interactions(
        Vocabulary.numbered(60, "user"), items, Sequences.of(histories), order="position"
    )
    titles = [" ".join(random.choice(WORDS[item % 2], 4)) for item in range(24)]
    table = pa.table({"title": titles, "categories": [["thing"]] * 24})
    users = np.arange(60, dtype=np.int32)
    nothing = replace(events, events=Sequences.of([[]] * 60))
    targets = (20 + users % 2).astype(np.int32)
    about = Catalogue(items, table, "title")
    return cold.Cold(Log(events, about), np.arange(24) >= 20, users, targets, nothing)


def test_the_head_and_text_alone_put_items_of_the_users_sort_first(cold, asked):
    texts = cold.encoded_items(asked.log)
    assert (cold.by_text(asked, texts) <= 2).all()
    values = {"dim": 4, "iterations": 3}
    found, _ = cold.by_model(asked, texts, "als", values, 0)
    assert (found <= 2).mean() > 0.95


def test_a_place_counts_by_its_logarithm_up_to_the_tenth(cold):
    places = np.array([1, 3, 10, 11])
    assert cold.ndcg(places).tolist() == pytest.approx([1, 0.5, 1 / np.log2(11), 0])


def test_figures_are_worked_out_from_evidence_and_other_settings_are_refused(
    cold, monkeypatch, tmp_path
):
    monkeypatch.setattr(cold, "FOLDER", tmp_path)
    with pytest.raises(cold.BenchError, match="has never been trained"):
        cold.measure(False, False)
    users = np.arange(50)
    for seed in cold.SEEDS:
        found = {name: np.ones(50, np.int32) for name in cold.CHOSEN}
        np.savez(tmp_path / f"{seed}.npz", users=users, text=np.full(50, 3), **found)
        (tmp_path / f"{seed}.json").write_text(cold.json.dumps({"setting": cold.setting()}))
    other = cold.two_tower_cold
    monkeypatch.setattr(other, "FOLDER", tmp_path)
    for seed in cold.SEEDS:
        file, told = tmp_path / f"cold-{seed}", {"setting": other.setting(other.CHOSEN)}
        np.savez(file.with_suffix(".npz"), text=np.full(50, 3), tower=users, users=users)
        file.with_suffix(".json").write_text(cold.json.dumps(told))
    figures, bars = cold.measure(False, False)
    assert figures["cold_text_ndcg10"] == figures["cold_words_ndcg10"] == pytest.approx(0.5)
    assert figures["cold_als_minus_words_low"] == pytest.approx(0.5)
    assert [bar.name for bar in bars] == [
        f"cold_{name}_minus_text_low" for name in ("item2vec", "als", "tower")
    ]
    assert all(bar.holds and bar.value == pytest.approx(0.5) for bar in bars)
    monkeypatch.setitem(cold.CHOSEN, "als", ("als", {"dim": 8}))
    with pytest.raises(cold.BenchError, match=r"trained with als\.dim = "):
        cold.measure(False, False)
