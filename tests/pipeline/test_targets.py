"""Where a verb writes: never over what it reads, nor over a run of another kind."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import recembed
from recembed.errors import DataError, RunError
from recembed.pipeline.export import check_target

READ = "is read by this command: name another file"


@pytest.fixture
def encoder(tmp_path):
    """A run of an encoder."""
    (tmp_path / "texts.txt").write_text("a red thing\na blue thing\n" * 5)
    recembed.train_text(
        tmp_path / "texts.txt", out=tmp_path / "encoder", model="tf-idf", set={"dim": 0}, quiet=True
    )
    return tmp_path / "encoder"


def test_a_file_that_is_read_is_known_by_any_name(tmp_path):
    (tmp_path / "file").write_text("a")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for name in ("file", "link", "../" + tmp_path.name + "/file"):
        with pytest.raises(DataError, match=READ):
            check_target(tmp_path / name, [tmp_path / "gone", tmp_path / "file"])
    check_target(tmp_path / "other", [tmp_path / "file", "dataset:ta-feng", None])


def test_vectors_and_reports_never_take_the_place_of_what_they_were_made_of(encoder, tmp_path):
    table = pa.table({"text": ["a red thing", "blue"] * 5, "label": ["red", "blue"] * 5})
    texts = tmp_path / "texts.parquet"
    pq.write_table(table, texts)
    with pytest.raises(DataError, match=READ):
        recembed.encode_texts(encoder, texts, out=texts, quiet=True)
    with pytest.raises(DataError, match=READ):
        recembed.evaluate_text(encoder, [texts], out=texts)
    assert pq.read_table(texts) == table


def test_words_and_their_reports_do_neither(tmp_path):
    vectors, pairs = tmp_path / "vectors.txt", tmp_path / "pairs.tsv"
    vectors.write_text("2 2\nred 1 0\nblue 0 1\n")
    pairs.write_text("red\tblue\t1\nblue\tred\t2\n")
    for call in (
        lambda: recembed.evaluate_words(vectors, pairs, out=pairs),
        lambda: recembed.evaluate_words(vectors, pairs, out=vectors),
        lambda: recembed.export_words(vectors, vectors),
    ):
        with pytest.raises(DataError, match=READ):
            call()


def test_newer_events_are_not_replaced_by_the_lists_made_with_them(made, tmp_path):
    newer = tmp_path / "newer.parquet"
    pq.write_table(pa.table({"user": ["u001"], "item": ["001"]}), newer)
    with pytest.raises(DataError, match=READ):
        recembed.recommend(made("als"), all_users=True, newer=newer, out=newer, quiet=True)


def test_a_run_of_another_kind_is_never_replaced(shop, encoder, contents, tmp_path):
    run = tmp_path / "run"
    recembed.train(shop.log, run, model="popularity", quiet=True)
    before = contents(run), contents(encoder)
    texts = tmp_path / "texts.txt"
    with pytest.raises(RunError, match="run of items, which one of an encoder does not replace"):
        recembed.train_text(texts, out=run, model="tf-idf", quiet=True)
    with pytest.raises(RunError, match="run of items, which one of words does not replace"):
        recembed.train_words(texts, out=run, quiet=True)
    with pytest.raises(RunError, match="run of an encoder, which one of items does not replace"):
        recembed.train(shop.log, encoder, model="popularity", quiet=True)
    assert (contents(run), contents(encoder)) == before
