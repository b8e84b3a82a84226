"""N-grams and their buckets: by hand, and against gensim's port of fastText."""

import numpy as np
import pytest
from gensim.models.fasttext_inner import compute_ngrams_bytes, ft_hash_bytes
from hypothesis import given
from hypothesis import strategies as st

from recembed.errors import DataError
from recembed.text.subwords import NGrams, Subwords


def of_gensim(word, setting):
    grams = compute_ngrams_bytes(word, setting.min_n, setting.max_n)
    return sorted(ft_hash_bytes(gram) % setting.buckets for gram in grams)


@given(
    st.lists(st.text(min_size=1, max_size=12), max_size=6),
    st.integers(1, 4),
    st.integers(0, 4),
    st.sampled_from([7, 1000, 2_000_000]),
)
def test_buckets_are_those_of_fasttext(words, min_n, more, buckets):
    words = [word for word in words if word.isprintable()]
    setting = Subwords(min_n=min_n, max_n=min_n + more, buckets=buckets)
    found = setting.of(words)
    assert len(found) == len(words)
    for word, row in zip(words, found, strict=True):
        assert sorted(row.tolist()) == of_gensim(word, setting)


def test_the_ngrams_of_a_short_word_by_hand():
    grams = Subwords(min_n=2, max_n=3).of(["\u00e9t", "a"])  # <ét>: <é ét t> <ét ét>
    named = [ft_hash_bytes(text.encode()) % 2_000_000 for text in ("<é", "<ét", "ét", "ét>", "t>")]
    assert grams[0].tolist() == named
    assert len(grams[1]) == 3  # <a a> <a>


def test_a_bag_is_the_word_itself_and_the_rows_of_its_ngrams():
    words = ["banana", "nab", "x"]
    table, bags = NGrams.among(Subwords(min_n=3, max_n=3, buckets=50), words)
    for row, word in enumerate(words):
        own, *rest = bags[row].tolist()
        assert own == row
        buckets = [int(table.buckets[at - 3]) for at in rest]
        assert buckets == Subwords(min_n=3, max_n=3, buckets=50).of([word])[0].tolist()
    assert len(table) == 3 + len(np.unique(table.buckets))
    assert bags.values.max() == len(table) - 1


def test_an_unknown_word_has_the_ngrams_that_it_shares_with_known_ones():
    words = ["walking", "talked"]
    table, bags = NGrams.among(Subwords(max_n=4), words)
    (rows,) = table.rows(["talking"])
    known = {*bags.values.tolist()} - {0, 1}
    assert {*rows.tolist()} <= known
    shared = {"<ta", "<tal", "tal", "talk", "alk", "alki", "lki", "lkin", "kin", "king", "ing"}
    assert len(rows) == len(shared | {"ing>", "ng>"})
    assert [len(row) for row in table.rows(["zzz", ""])] == [0, 0]


def test_words_alone_have_no_ngrams():
    table, bags = NGrams.among(Subwords(), ["some", "words"])
    assert (len(table), bags.values.tolist(), bags.offsets.tolist()) == (2, [0, 1], [0, 1, 2])


def test_a_range_that_is_upside_down_is_refused():
    with pytest.raises(DataError, match="max_n must be at least min_n"):
        Subwords(min_n=4, max_n=3)
