"""What other tools get: read back by other code than the one that wrote it."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recembed.models.stored import ranker_of
from recembed.run.folder import Run
from recembed.run.log import load_log

VECTORS = ("als", "item2vec", "two-tower")


def word2vec_text(path):
    """As the original word2vec writes it: a line of sizes, then a line a word."""
    lines = path.read_text("utf-8").splitlines()
    n, dim = map(int, lines[0].split(" "))
    words = {line.split(" ")[0]: [*map(float, line.split(" ")[1:])] for line in lines[1:]}
    assert len(words) == n
    assert all(len(vector) == dim for vector in words.values())
    return words


def word2vec_binary(path):
    """A line of sizes, then word, space, dim little-endian float32, line break."""
    data = path.read_bytes()
    head, _, rest = data.partition(b"\n")
    n, dim = map(int, head.split())
    words = {}
    for _ in range(n):
        word, _, rest = rest.partition(b" ")
        words[word.decode()] = np.frombuffer(rest[: 4 * dim], "<f4")
        assert rest[4 * dim : 4 * dim + 1] == b"\n"
        rest = rest[4 * dim + 1 :]
    assert rest == b""
    return words


def expected(folder, what):
    """Id -> vector, from the run itself."""
    run = Run.open(folder)
    log, _ = load_log(run)
    model = ranker_of(run, index="exact")[1]
    if what == "users":
        events = log.interactions
        return dict(zip(events.users.ids.to_pylist(), model.users(events), strict=True))
    table = model.items if what == "items" else model.neighbours
    ids = log.interactions.items.ids.to_pylist()
    return {id: table.vectors[row] for row, id in enumerate(ids) if table.known[row]}


def same(found, wanted, **tolerance):
    assert {*found} == {*wanted}
    for id, vector in wanted.items():
        np.testing.assert_allclose(found[id], vector, **{"rtol": 0, "atol": 0, **tolerance})


@pytest.mark.parametrize("what", ["items", "neighbours", "users"])
@pytest.mark.parametrize("name", VECTORS)
def test_every_form_has_the_vectors_of_the_run(made, call, tmp_path, name, what):
    run, wanted = made(name), expected(made(name), what)
    assert len(wanted) == (120 if what == "users" else 60)  # of 62 items two have no event

    def exported(form):
        path = tmp_path / form
        told = call("export", run, "--out", path, "--what", what, "--form", form).out
        assert told == f"{len(wanted)} vectors -> {path}\n"
        return path

    table = pq.read_table(exported("parquet"))
    dim = len(next(iter(wanted.values())))
    assert table.schema.field("vector").type == pa.list_(pa.float32(), dim)
    assert table.schema.field("id").type in (pa.string(), pa.large_string())
    rows = table.to_pylist()
    same({row["id"]: row["vector"] for row in rows}, wanted)
    same(word2vec_binary(exported("word2vec-binary")), wanted)
    same(word2vec_text(exported("word2vec")), wanted, rtol=1e-6)


def test_the_exported_annoy_file_opens_with_annoy_and_finds_the_same(made, call, copied, tmp_path):
    annoy = pytest.importorskip("annoy")
    run, out = copied("als"), tmp_path / "items.ann"
    call("index", run, "--kind", "annoy", "--target-recall", 1, "--quiet")
    assert call("export", run, "--out", out, "--form", "index").out == f"60 vectors -> {out}\n"
    meta = Run.open(run).facts["index"]["meta"]
    forest = annoy.AnnoyIndex(meta["dim"] + (meta["metric"] == "angular"), meta["metric"])
    forest.load(str(out))
    assert forest.get_n_items() == 60
    ids = pq.read_table(tmp_path / "items.ann.ids.parquet").to_pydict()
    assert ids["position"] == [*range(60)]

    vectors = expected(run, "items")
    for place, id in enumerate(ids["id"]):  # position by position it is the vector of that id
        stored = forest.get_item_vector(place)[: meta["dim"]]
        np.testing.assert_allclose(stored, vectors[id], rtol=1e-6)

    user = expected(run, "users")["u001"]
    query = [*user.tolist(), 0.0] if meta["metric"] == "angular" else user.tolist()
    found = [ids["id"][place] for place in forest.get_nns_by_vector(query, 5, 60 * 50)]
    answer = call("recommend", run, "--user", "u001", "-k", 5).answers[0]
    assert found == [each["item"] for each in answer["items"]]


def test_spaces_in_ids_become_underscores_and_ids_alike_are_refused(call, refused, tmp_path):
    lines = ["user,item,time"]
    names = ["red apple", "green\tpear", "ünï"]
    for user in range(9):
        lines += [f"{user},{names[(user + at) % 3]},{at + 1}" for at in range(3)]
    (tmp_path / "log.csv").write_text("\n".join(lines).replace("\t", "\u00a0") + "\n")
    quick = ("--model", "als", "--set", "dim=4", "--set", "iterations=1", "--quiet")
    call("train", tmp_path / "log.csv", "--out", tmp_path / "run", *quick)
    out = tmp_path / "w2v"
    for form, read in (("word2vec", word2vec_text), ("word2vec-binary", word2vec_binary)):
        call("export", tmp_path / "run", "--out", out, "--form", form)
        assert {*read(out)} == {"red_apple", "green_pear", "ünï"}

    (tmp_path / "alike.csv").write_text("\n".join([*lines, "0,red_apple,0", "1,red_apple,0", ""]))
    call("train", tmp_path / "alike.csv", "--out", tmp_path / "alike", *quick)
    before = out.read_bytes()
    line = refused("export", tmp_path / "alike", "--out", out, "--form", "word2vec")
    assert "alike once spaces become '_'" in line
    assert out.read_bytes() == before


def test_what_cannot_be_exported_is_one_line_and_no_file(made, refused, tmp_path):
    def says(message, *arguments):
        assert message in refused("export", *arguments)
        assert [*tmp_path.iterdir()] == []

    out = ("--out", tmp_path / "vectors")
    says("item-knn has no vectors to export", made("item-knn"), *out)
    says("has no index", made("als"), *out, "--form", "index")
    index = ("--form", "index", "--what", "users")
    says("the index holds items, not users", made("als"), *out, *index)
    says("there is no folder", made("als"), "--out", tmp_path / "missing" / "vectors")
    says("is a folder: name a file", made("als"), "--out", tmp_path)
    says("is a folder: name a file", made("als"), "--out", ".")
    says("is not a run", tmp_path, *out)
