"""Estimators by name, and what each imports."""

import json
import subprocess
import sys

import pytest

from recembed.errors import DataError
from recembed.models.registry import estimator, names
from recembed.settings import as_dict, described, flat


@pytest.mark.parametrize("name", names())
def test_an_estimator_is_found_by_its_own_name_and_its_setting_survives_json(name):
    made = estimator(name)
    assert made.name == name
    assert estimator(name, flat(made)) == made
    assert estimator(name, json.loads(json.dumps(as_dict(made)))) == made


@pytest.mark.parametrize("name", names())
def test_every_hyperparameter_says_what_it_means(name):
    made = estimator(name)
    lines = described(made)
    told = {line.strip().split(" = ")[0] for line in lines}
    assert told >= {name for name in flat(made) if not name.endswith(".kind")}
    assert all(len(line.split(": ", 1)[1]) > 5 for line in lines)


def test_a_typo_in_a_name_offers_the_nearest():
    with pytest.raises(DataError) as error:
        estimator("item2vek")
    assert str(error.value).startswith("no model 'item2vek'; there is item2vec")
    with pytest.raises(DataError, match=r"no model 'xyz'; there is popularity, repeat, item-knn"):
        estimator("xyz")


WORLD = """
import sys
{before}
import numpy as np
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.models.ranker import VectorRanker
from recembed.models.registry import estimator, names, restore
from recembed.models.stored import has_vectors
from recembed.protocols import Machine
from recembed.search.exact import ExactIndex

rows = Sequences.of([[0, 1, 2], [1, 2, 0], [2, 0]])
events = Interactions(Vocabulary.numbered(3), Vocabulary.numbered(3), rows)
small = {{"item2vec": dict(dim=8, negatives=3, epochs=1), "als": dict(dim=2, iterations=1)}}
machine = Machine(threads=1)
for name in {names}:
    setting = small.get(name, {{}})
    model = estimator(name, setting).fit(Log(events), machine=machine)
    model = restore(name, setting, events.items, model.arrays())
    if has_vectors(model):
        model = VectorRanker(model, ExactIndex(model.items, machine))
    assert model.top_k(events, 2).rows.shape == (3, 2)
{after}
"""


def run(names, before="", after=""):
    code = WORLD.format(names=names, before=before, after=after)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_no_model_but_two_tower_loads_torch_and_a_stored_two_tower_needs_none():
    others = [name for name in names() if name != "two-tower"]
    after = """
table, known = np.ones((3, 2), np.float32), np.ones(3, np.uint8)
arrays = {"table": table, "known": known, "tower.map": 2 * np.eye(2, dtype=np.float32)}
stored = restore("two-tower", {"tower": "mean"}, events.items, arrays)
assert np.allclose(stored.users(events), 2)
assert "torch" not in sys.modules
"""
    done = run(others, after=after)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "package", "line"),
    [
        (
            "two-tower",
            "torch",
            "two-tower needs an optional package: pip install 'recembed[torch]'",
        ),
        (
            "als",
            "implicit",
            "matrix factorization and item-kNN needs an optional package: "
            "pip install 'recembed[implicit]'",
        ),
        ("ials", "irspack", "iALS needs an optional package: pip install 'recembed[ials]'"),
    ],
)
def test_a_package_that_is_missing_is_named_with_the_command_that_installs_it(name, package, line):
    done = run([name], before=f"sys.modules[{package!r}] = None")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"recembed.errors.MissingExtra: {line}"
