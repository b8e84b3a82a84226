"""What the speed of `bin/bench two-tower` is made of; nothing here is trained for long."""

import importlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from recembed.data.sequences import Sequences
from recembed.training.examples import Examples

torch = pytest.importorskip("torch")

ROOT = Path(__file__).parents[1]
SPEED = {"vs_rectools_beauty_full": 10, "vs_rectools_beauty_sampled": 5, "vs_padded_torch_ml1m": 3}
SCALE = {"ml1m_epoch_seconds": 25, "peak_gib": 3}
TINY = {"dim": 8, "epochs": 3, "batch_size": 4, "tower.heads": 1, "tower.blocks": 1, "reach": 5}


@pytest.fixture
def part(monkeypatch):
    """A module of the benchmark by the rest of its name."""
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    return lambda name: importlib.import_module(f"benchmarks.two_tower_{name}")


@pytest.fixture
def log(part, tmp_path):
    """30 histories of up to 12 of 20 items, as a file has them."""
    random = np.random.default_rng(0)
    histories = Sequences.of([random.integers(0, 20, n % 12 + 1).tolist() for n in range(30)])
    arrays = {"values": histories.values, "offsets": histories.offsets, "n_items": 20}
    np.savez(tmp_path / "log.npz", **arrays)
    return part("process").loaded(tmp_path / "log.npz")


def test_with_equal_weights_the_padded_model_has_the_loss_that_ours_has(part, log):
    from recembed.models.registry import estimator
    from recembed.training.towers.items import Content
    from recembed.training.towers.model import Data, Towers
    from recembed.training.towers.settings import Setting

    reach, padded = 6, part("padded")
    values = part("speed").setting(reach, {"loss": "full", "tower.dropout": 0.0})
    setting = Setting.of(estimator("two-tower", values))
    counts = log.interactions.counts()
    ours = Towers(Data(counts > 0, counts, Content.none(20)), setting)
    theirs = padded.SASRec(20, reach, dim=64, blocks=2, heads=2, width=1, dropout=0.0)
    with torch.no_grad():
        for each in ours.parameters():
            each.normal_(std=0.3)
        theirs.items.weight[1:] = ours.items.ids
        theirs.positions.weight[:] = ours.tower.position
        theirs.norm.load_state_dict(ours.tower.norm.state_dict())
        for layer, mine in zip(theirs.layers, ours.tower.layers, strict=True):
            layer.before.load_state_dict(mine.before.state_dict())
            layer.between.load_state_dict(mine.between.state_dict())
            layer.attention.in_proj_weight[:] = mine.mix.weight
            layer.attention.in_proj_bias[:] = mine.mix.bias
            layer.attention.out_proj.load_state_dict(mine.out.state_dict())
            layer.feed_forward[0].load_state_dict(mine.wide.state_dict())
            layer.feed_forward[2].load_state_dict(mine.narrow.state_dict())
    examples = Examples.of(log.interactions, "user", reach, every=True)
    batch = examples.batch(np.arange(len(examples)), np.random.default_rng(0))
    before, after = map(torch.from_numpy, padded.padded(log.interactions.events, reach))
    assert int((after >= 0).sum()) == len(batch.targets) == examples.positions
    expected = ours(batch, np.random.default_rng(0)).item()
    assert theirs.loss(before, after).item() == pytest.approx(expected, rel=1e-5)


def test_padding_stands_last_and_only_the_newest_events_are_kept(part):
    before, after = part("padded").padded(Sequences.of([[4], [0, 3], [5, 6, 7, 8, 9]]), 3)
    assert before.tolist() == [[1, 0, 0], [7, 8, 9]]
    assert after.tolist() == [[3, -1, -1], [7, 8, 9]]


def test_the_padded_model_learns_in_its_steps_and_counts_what_is_no_padding(part, log, monkeypatch):
    padded = part("padded")
    clock = iter([10.0, 14.0])
    monkeypatch.setattr(padded.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(padded, "WARM", 1)
    model = padded.SASRec(20, 5, dim=8, blocks=1, heads=1, width=1, dropout=0.1)
    start = model.items.weight.detach().clone()
    monkeypatch.setattr(padded.torch, "randperm", torch.arange)
    threads = torch.get_num_threads()
    rate = padded.rate(model, log.interactions.events, 10, steps=1, threads=1)
    torch.set_num_threads(threads)
    long = [size for size in log.interactions.events.sizes if size > 1]
    assert rate == sum(min(size - 1, 5) for size in long[10:20]) / 4
    assert not torch.equal(start[1:], model.items.weight[1:])


def test_steps_tell_seconds_of_epochs_and_a_rate_without_the_first_steps(part, monkeypatch):
    process = part("process")
    monkeypatch.setattr(process, "WARM", 1)
    times = iter([0.0, 100.0, 109.0, 110.0, 112.0])
    monkeypatch.setattr(process.time, "perf_counter", lambda: next(times))
    steps = process.Steps("two-tower", 40, "positions")
    for amount in (12, 8, 12, 8):
        steps.advance(amount)
    assert steps.rate == 28 / (112 - 100)
    assert steps.epochs(2) == [109.0, 3.0]


def test_a_watched_training_counts_every_target_position_of_every_epoch(part, log):
    steps = part("process").trained(log, {**TINY, "loss": "full"}, threads=1)
    positions = np.minimum(log.interactions.events.sizes - 1, 5).sum()
    assert steps.done == 3 * positions
    assert steps.rate > 0
    assert len(steps.epochs(3)) == 3
    assert min(steps.epochs(3)) > 0


def test_what_is_kept_is_loaded_again(part, log, tmp_path):
    process = part("process")
    again = process.loaded(process.kept(log, tmp_path / "new" / "log.npz")).interactions
    assert again.n_items == 20
    assert again.rows.tolist() == log.interactions.rows.tolist()
    assert again.events.offsets.tolist() == log.interactions.events.offsets.tolist()


def test_operations_are_those_that_counting_every_product_gives(part, log):
    scale = part("scale")
    counted = 0
    for size in log.interactions.events.sizes.tolist():
        for past in range(min(size - 1, 5)):
            weights = 2 * (3 * 64 * 64 + 64 * 64 + 2 * 64 * 64)
            attention = 2 * 2 * (past + 1) * 64
            counted += 3 * 2 * (weights + attention + 20 * 64)
    assert scale.operations(log, 5) == counted


def test_a_catalogue_has_every_item_and_histories_of_one_length(part, monkeypatch, tmp_path):
    scale = part("scale")
    monkeypatch.setattr(scale, "SCRATCH", tmp_path)
    events = part("process").loaded(scale.catalogue(40, 51 * 20)).interactions
    assert set(events.events.sizes.tolist()) == {51}
    assert len(events) == 51 * 20
    counts = events.counts()
    assert counts.min() >= 1
    assert counts[:4].min() > counts[20:].max()


def test_speed_is_held_against_both_peers_and_not_at_all_where_it_is_quick(part, monkeypatch):
    speed = part("speed")
    asked = []

    @contextmanager
    def rectools(log):
        yield lambda setting: asked.append(setting) or 500.0

    monkeypatch.setattr(speed, "rectools", rectools)
    monkeypatch.setattr(speed, "training", lambda name, quick: name)
    monkeypatch.setattr(speed, "ours", lambda log, values: 100.0 * values["reach"])
    monkeypatch.setattr(speed, "plain", lambda log, reach: 4_000.0)
    figures, bars = speed.measure(quick=False, repeat=False)
    assert {bar.name: bar.bound for bar in bars} == SPEED
    assert [bar.value for bar in bars] == [10, 4, 5]
    assert figures["beauty_full_rectools_positions_s"] == 500
    assert [(each["loss"], each["session_max_len"]) for each in asked] == [
        *[("softmax", 50)] * 3,
        *[("sampled_softmax", 20)] * 3,
    ]
    assert not speed.measure(quick=True, repeat=False)[1]


def test_epoch_and_memory_are_those_of_the_process_that_trained(part, log, monkeypatch, tmp_path):
    scale = part("scale")
    told = {"seconds": [90.0, 20.0, 30.0], "positions": 100, "rate": 5.0, "matrix_rate": 1e9}
    ran = []

    def watched(path, values):
        ran.append((path.stem, values["reach"]))
        return told, 2.0

    monkeypatch.setattr(scale, "watched", watched)
    monkeypatch.setattr(scale, "SCRATCH", tmp_path)
    monkeypatch.setattr(scale, "training", lambda name, quick: log)
    monkeypatch.setattr(scale, "catalogue", lambda n, events: tmp_path / f"items-{n}")
    figures, bars = scale.measure(quick=False, repeat=False)
    assert {bar.name: bar.bound for bar in bars} == SCALE
    assert [bar.value for bar in bars] == [25.0, 2.0]
    assert figures["matrix_share"] == pytest.approx(scale.operations(log, 200) / 25 / 1e9)
    assert ran[0] == ("ml-1m", 200)
    assert ("items-1000000", 50) in ran
    assert ("ml-1m", 400) in ran


@pytest.mark.slow
def test_a_process_of_its_own_trains_what_was_kept(part, log, tmp_path, monkeypatch):
    scale, process = part("scale"), part("process")
    monkeypatch.setattr(scale, "THREADS", 1)
    path = process.kept(log, tmp_path / "log.npz")
    told, peak = scale.watched(path, {**TINY, "loss": "full"})
    assert told["positions"] == np.minimum(log.interactions.events.sizes - 1, 5).sum()
    assert len(told["seconds"]) == 3
    assert told["matrix_rate"] > 1e8
    assert 0.05 < peak < 3
