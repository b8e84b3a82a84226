"""Subtokens: the same pieces each time, the library's own rows, and no text that breaks them."""

import json
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recembed.errors import DataError
from recembed.text import pieces, tokenizer
from recembed.text.normal import Normal
from recembed.text.texts import Texts
from recembed.text.tokenizer import LONG, MASK, UNKNOWN, Subtokens

library = pytest.importorskip("tokenizers")

KINDS = ["bpe", "wordpiece", "unigram"]
EVERY = pytest.mark.parametrize("kind", KINDS)
STRANGE = (
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u4e2d\u6587 \U0001f600 \U0001f469\u200d\U0001f467 \u00e9"
)


@pytest.fixture(scope="module")
def trained(corpus):
    """A kind -> the tokenizer of the corpus with planted topics."""
    found = {kind: Subtokens(kind=kind, size=512).train(Texts.of(corpus)) for kind in KINDS}
    return found.__getitem__


@EVERY
def test_the_same_texts_give_the_same_pieces_whatever_the_threads(kind, trained, corpus, tmp_path):
    code = (
        "import sys; from recembed.text.tokenizer import *; from pathlib import Path\n"
        "found = Subtokens(kind=sys.argv[1], size=512).train(Texts.of(sys.argv[2]))\n"
        "Path(sys.argv[3]).write_bytes(found.json)"
    )
    for parallel in ("true", "false"):
        command = [sys.executable, "-c", code, kind, str(corpus), str(tmp_path / "json")]
        path = ":".join(sys.path)
        variables = {"TOKENIZERS_PARALLELISM": parallel, "PYTHONPATH": path, "PATH": ""}
        subprocess.run(command, check=True, env=variables)
        assert (tmp_path / "json").read_bytes() == trained(kind).json


@EVERY
def test_frequent_words_are_whole_and_the_first_rows_are_kept_apart(kind, trained, topics):
    found = trained(kind)
    words = [word for one in topics.values() for word in one]
    rows = found.rows(words)
    assert (rows.sizes[: len(words)] <= 3).all()
    assert np.mean(rows.sizes == 1) > (0.9 if kind != "unigram" else 0.4)
    assert len(found) <= 512
    assert found.names([UNKNOWN, MASK]) == ["no piece", "to guess"]
    assert rows.values.min() > MASK
    assert rows.values.max() < len(found)


@EVERY
@settings(max_examples=30)
@given(
    texts=st.lists(st.text() | st.text(alphabet="ship sail't.\n\t-_\u2019\u00c9\u03a3\u093f\u4e2d"))
)
def test_rows_are_those_of_the_library_for_each_whole_text(kind, trained, texts):
    found = trained(kind)
    plain = library.Tokenizer.from_str(found.json.decode())
    lines = [LONG.sub(r"\g<0> ", Normal()(text.replace("\n", " "))) for text in texts]
    wanted = [one.ids for one in plain.encode_batch(lines)]
    assert [row.tolist() for row in found.rows(texts)] == wanted
    assert [found.rows([text])[0].tolist() for text in texts] == wanted


@EVERY
def test_no_letter_is_unknown_and_every_text_is_told_from_others(kind, trained):
    words = STRANGE.split()
    rows = trained(kind).rows(words)
    assert (rows.sizes > 0).all()
    assert rows.values.min() > MASK
    assert len({tuple(row) for row in rows}) == len(words)


@EVERY
@pytest.mark.parametrize("case", ["lower", "keep"])
def test_no_text_is_taken_for_a_mask(kind, case):
    text = "to guess no piece [MASK] [UNK] [mask] to\u2002guess"
    found = Subtokens(kind=kind, size=512, normal=Normal(case=case)).train(Texts(held=[text] * 50))
    assert found.rows([text, text.replace(" ", "\t")]).values.min() > MASK


@EVERY
def test_texts_that_are_no_words_do_no_harm(kind, trained):
    texts = ["", "  \n", "\0", "\ud83d", "x" * 100_000, "ship " * 20_000, "\ud83d\ude00", "\u2028"]
    rows = trained(kind).rows(texts)
    assert (rows.sizes > 0).tolist() == [False, False, True, True, True, True, True, False]
    assert rows.sizes[5] == 20_000 * len(trained(kind).rows(["ship"])[0])
    assert rows[6].tolist() == trained(kind).rows(["\U0001f600"])[0].tolist()
    assert rows.values.min() > MASK
    assert len(trained(kind).rows([])) == 0


@EVERY
def test_longest_cuts_texts_to_so_many_rows(kind, trained, topics):
    texts = [" ".join(words) for words in topics.values()] + ["", "ship"]
    whole, cut = trained(kind).rows(texts), trained(kind).rows(texts, longest=4)
    assert [row.tolist() for row in cut] == [row[:4].tolist() for row in whole]
    assert max(cut.sizes) == 4 < max(whole.sizes)


@EVERY
def test_what_is_stored_gives_the_same_rows_and_the_same_digest(kind, trained, topics):
    first, texts = trained(kind), [*topics["sea"], STRANGE]
    second = Subtokens(kind=kind).restore(first.array())
    assert second.rows(texts).values.tolist() == first.rows(texts).values.tolist()
    assert second.digest == first.digest
    other = Subtokens(kind=kind, normal=Normal(accents="strip")).restore(first.array())
    assert other.digest != first.digest
    assert len({trained(one).digest for one in KINDS}) == len(KINDS)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (b"", "the tokenizer is damaged: train again"),
        (b"\xff{}", "the tokenizer is damaged: train again"),
        (b'{"model": {"type": "BPE"}}', "the tokenizer is damaged: train again"),
        (library.Tokenizer(library.models.BPE({"a": 0, "b": 1}, [])).to_str().encode(),
         r"is not one of ours: its first pieces are \['a', 'b'\]"),
    ],
)  # fmt: skip
def test_what_is_no_tokenizer_of_ours_is_refused(stored, message):
    with pytest.raises(DataError, match=message):
        Subtokens().restore(np.frombuffer(stored, np.uint8))


@EVERY
@pytest.mark.parametrize("held", [["a"], ["x" * 5000], ["\u4e2d\u6587" * 3000], ["\0 \ud83d ."]])
def test_a_corpus_of_little_gives_few_pieces(kind, held):
    found = Subtokens(kind=kind).train(Texts(held=held))
    assert 258 <= len(found) < 1000
    assert found.rows(["b \u00e9"]).values.min() > MASK


def test_a_corpus_of_nothing_is_refused():
    with pytest.raises(DataError, match="there is no text in the texts"):
        Subtokens().train(Texts(held=["", " \n"]))


def test_rarer_neighbours_are_not_joined(corpus):
    held = Texts(held=["zebra"] * 3 + ["yak"] * 2)
    sizes = [Subtokens(min_count=n).train(held).rows(["zebra", "yak"]).sizes for n in (2, 3, 4)]
    assert [size.tolist() for size in sizes] == [[1, 1], [1, 4], [6, 4]]


def test_a_small_memory_of_pieces_changes_nothing(trained, monkeypatch):
    random = np.random.default_rng(0)
    texts = ["".join(random.choice([*"ship sail"], 60)) for _ in range(300)]
    wanted = trained("bpe").rows(texts)
    monkeypatch.setattr(pieces, "MOST", 64)
    monkeypatch.setattr(pieces, "SLOTS", 1024)
    monkeypatch.setattr(tokenizer, "BLOCK", 200)
    found = Subtokens().restore(trained("bpe").array()).rows(texts)
    assert found.values.tolist() == wanted.values.tolist()
    assert found.offsets.tolist() == wanted.offsets.tolist()


def test_many_threads_get_their_own_rows(trained):
    found = Subtokens().restore(trained("bpe").array())
    texts = [f"ship {n} sail{n * n}" for n in range(400)]
    wanted = [trained("bpe").rows([text])[0].tolist() for text in texts]
    answers = [[] for _ in range(4)]

    def ask(mine):
        mine.extend(found.rows([text])[0].tolist() for text in texts)

    threads = [threading.Thread(target=ask, args=(mine,)) for mine in answers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == wanted for mine in answers)


def test_a_piece_that_cannot_be_read_leaves_no_half_of_it_behind():
    def read(some):
        for piece in some:
            if piece == "bad":
                raise RuntimeError
            yield [len(piece)]

    numbers = pieces.Pieces(read)
    with pytest.raises(RuntimeError):
        numbers.numbers(b"a bb bad cccc\n")
    assert numbers.numbers(b"cccc a\nbb\n").tolist() == [4, 1, -1, 2, -1]


def test_the_tokenizer_is_plain_json(trained):
    found = json.loads(trained("bpe").json)
    assert found["model"]["type"] == "BPE"
    assert found["added_tokens"] == []
