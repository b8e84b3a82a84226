"""Logs of every kind, ids of both types, columns of other names."""

import gzip
import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recembed.run.folder import Run
from recembed.run.log import load_log


def rows():
    """(user, item, time): ints that all formats can hold."""
    return [(user, 100 + (user * at) % 7, 10_000 + at) for user in range(1, 13) for at in range(5)]


def csv(path):
    lines = "\n".join(["user,item,time", *(f"{u},{i},{t}" for u, i, t in rows()), ""])
    path.with_suffix(".csv").write_text(lines)
    return path.with_suffix(".csv")


def tsv_gz(path):
    lines = "\n".join(["user\titem\ttime", *(f"{u}\t{i}\t{t}" for u, i, t in rows()), ""])
    path.with_suffix(".tsv.gz").write_bytes(gzip.compress(lines.encode()))
    return path.with_suffix(".tsv.gz")


def arrow():
    users, items, times = zip(*rows(), strict=True)
    return pa.table({"user": users, "item": items, "time": times})


def parquet(path):
    pq.write_table(arrow(), path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def folder_of_parquet(path):
    path.mkdir()
    pq.write_table(arrow().slice(0, 20), path / "part-0.parquet")
    pq.write_table(arrow().slice(20), path / "part-1.parquet")
    return path


def movielens(path):
    lines = "".join(f"{u}::{i}::5::{t}\n" for u, i, t in rows())
    path.with_suffix(".dat").write_text(lines)
    return path.with_suffix(".dat")


def recbole(path):
    head = "user_id:token\titem_id:token\ttimestamp:float\n"
    lines = head + "".join(f"{u}\t{i}\t{t}.0\n" for u, i, t in rows())
    path.with_suffix(".inter").write_text(lines)
    return path.with_suffix(".inter")


@pytest.mark.parametrize(
    "write", [csv, tsv_gz, parquet, folder_of_parquet, movielens, recbole], ids=lambda f: f.__name__
)
def test_every_kind_of_file_becomes_the_same_run(tmp_path, trained, call, write):
    run = trained(write(tmp_path / "log"))
    answer = call("recommend", run, "--user", 3, "-k", 7, "--seen", "allow").answers[0]
    assert answer["user"] == 3  # a number, as it was written
    assert answer["reason"] == "model"
    counts = Counter(item for _, item, time in rows() if time < 10_004)
    wanted = sorted(counts.values(), reverse=True)
    assert [each["score"] for each in answer["items"]] == wanted
    assert {each["item"] for each in answer["items"]} == {*counts}


def test_frames_and_tables_give_what_their_file_gives(tmp_path, trained, call):
    import recembed

    facts = Run.open(trained(parquet(tmp_path / "log"))).facts
    for name, table in (("table", arrow()), ("frame", arrow().to_pandas())):
        run = recembed.train(table, tmp_path / name, model="popularity", quiet=True)
        assert (run.facts["data"], run.facts["split"]) == (facts["data"], facts["split"])


def test_text_ids_such_as_007_survive_training_asking_and_export(tmp_path, call):
    lines = ["user_id,item_id,timestamp"]
    for user in range(20):
        for at in range(4):
            lines.append(f"{user:03},{(user + at) % 9:03},{at}")
    (tmp_path / "log.csv").write_text("\n".join([*lines, ""]))
    quick = ("--model", "als", "--set", "dim=4", "--set", "iterations=2", "--quiet")
    call("train", tmp_path / "log.csv", "--out", tmp_path / "run", *quick)
    answer = call("recommend", tmp_path / "run", "--user", "007", "--seen", "allow").answers[0]
    assert (answer["user"], answer["reason"]) == ("007", "model")
    assert "007" in {each["item"] for each in answer["items"]}
    assert call("similar", tmp_path / "run", "007").answers[0]["item"] == "007"
    call("export", tmp_path / "run", "--out", tmp_path / "items.parquet")
    ids = pq.read_table(tmp_path / "items.parquet").column("id").to_pylist()
    assert "007" in ids
    assert "7" not in ids
    # 7 is nobody here, and no item either
    assert call("recommend", tmp_path / "run", "--user", 7).answers[0]["reason"] == (
        "user '7' is unknown: popular items"
    )


def test_an_id_that_looks_like_a_number_of_the_log_but_is_not_is_unknown(
    tmp_path, trained, call, refused
):
    run = trained(csv(tmp_path / "log"))
    for typed, reason in (("7", "model"), ("007", "user '007' is unknown: popular items")):
        answer = call("recommend", run, "--user", typed).answers[0]
        assert answer["reason"] == reason
        assert answer["user"] == (7 if typed == "7" else "007")
    line = refused("recommend", run, "--history", "0101")
    assert "'0101' (item ids of this log are int)" in line
    answer = call("recommend", run, "--history", "101", "--seen", "exclude").answers[0]
    assert 101 not in {each["item"] for each in answer["items"]}
    huge = str(10**30)
    assert huge in call("recommend", run, "--user", huge).answers[0]["reason"]


def test_columns_with_other_names_are_named_by_role(tmp_path, trained, call):
    lines = [f"{u},{i},{t},1.5" for u, i, t in rows()]
    (tmp_path / "log.csv").write_text("\n".join(["who,what,when,much", *lines, ""]))
    names = ["user=who", "item=what", "time=when", "weight=much"]
    run = trained(tmp_path / "log.csv", *[x for name in names for x in ("--columns", name)])
    assert load_log(Run.open(run))[0].interactions.weight[0] == 1.5
    (tmp_path / "names.csv").write_text("sku,label\n" + "".join(f"{i},T{i}\n" for i in range(110)))
    columns = [*names, "item_id=sku", "title=label"]
    options = [x for name in columns for x in ("--columns", name)]
    run = trained(tmp_path / "log.csv", "--items", tmp_path / "names.csv", *options)
    answer = call("recommend", run, "--user", 1).answers[0]["items"][0]
    assert answer["title"] == f"T{answer['item']}"


def test_thresholds_and_repeats_change_what_is_trained_on(shop, trained):
    def events(*options):
        return len(load_log(Run.open(trained(shop.log, *options)))[0].interactions)

    pairs = {event[:2] for event in shop.events}
    assert events() == len(shop.events)
    assert events("--repeats", "collapse") == len(pairs)
    assert events("--min-user", 10) == sum(n for n in shop.sizes.values() if n >= 10)


def test_whether_seen_items_come_back_is_told_by_the_log_or_by_the_user(shop, trained, call):
    def seen(run, *options):
        asked = call("recommend", run, "--user", "u001", "-k", 60, *options).answers[0]
        mine = {item for user, item, *_ in shop.events if user == "u001"}
        return bool(mine & {each["item"] for each in asked["items"]})

    run = trained(shop.log)  # a log of habits
    assert (seen(run), seen(run, "--seen", "exclude")) == (True, False)
    run = trained(shop.log, "--seen", "exclude")
    assert (seen(run), seen(run, "--seen", "allow")) == (False, True)
    run = trained(shop.log, "--repeats", "collapse")  # nothing repeats any more
    assert not json.loads((run / "manifest.json").read_text())["facts"]["repeats"]
    assert not seen(run)
