"""What `evaluate` does with its own options, on the runs of the shop."""

import numpy as np
import pytest

from recembed.errors import DataError
from recembed.pipeline.evaluate import evaluate
from recembed.pipeline.train import train

QUICK = {"examples": 0, "html": False, "quiet": True, "threads": 1}


@pytest.mark.parametrize("into", ["itself", "another"])
def test_no_report_is_written_beside_the_files_of_a_run(made, contents, into):
    run, other = made("popularity"), made("als")
    out = run if into == "itself" else other
    before = contents(out)
    with pytest.raises(DataError, match="is a run: name another folder, or none"):
        evaluate(run, out=out, **QUICK)
    assert contents(out) == before


def test_a_length_may_be_a_number_of_numpy_and_nothing_that_is_no_length(made, tmp_path):
    run = made("popularity")
    report = evaluate(run, k=np.int64(4), out=tmp_path / "report", **QUICK)
    assert report.ks == (4,)
    with pytest.raises(DataError, match=r"k must be at least 1, not 2\.5"):
        evaluate(run, k=2.5, out=tmp_path / "other", **QUICK)
    assert not (tmp_path / "other").exists()


def test_one_column_to_slice_by_needs_no_list(made, tmp_path):
    run = made("popularity")
    by_name = evaluate(run, slice="colour", out=tmp_path / "a", **QUICK)
    by_list = evaluate(run, slice=["colour", "colour"], out=tmp_path / "b", **QUICK)
    assert "item colour" in {each.by for each in by_name.slices}
    assert by_name.slices == by_list.slices


def test_an_equals_sign_in_a_column_is_no_part_of_the_colours_of_the_map(shop, tmp_path):
    items = tmp_path / "items.csv"
    items.write_text(shop.items.read_text().replace("title,colour\n", "title,shade=colour\n"))
    how = {"model": "als", "set": {"dim": 4, "iterations": 2}, "quiet": True, "threads": 1}
    run = train(shop.log, tmp_path / "run", items=items, **how)
    report = evaluate(run.folder, category="shade=colour", **QUICK | {"html": True})
    assert {name.split()[0] for name in report.map.categories} == {"colour"}
