"""What runs are asked before they are measured together."""

import pytest

from recembed.models.registry import estimator
from recembed.pipeline.contest import columns
from recembed.settings import as_dict

FEATURES = {"categories": ["brand"], "text": ["title"], "numbers": ["price"], "vectors": ["image"]}


@pytest.mark.parametrize(
    ("model", "values", "read"),
    [
        ("popularity", {}, ()),
        ("item2vec", {}, ()),
        ("item2vec", {"features": ["brand", "title"]}, ("brand", "title")),
        ("two-tower", {}, ()),
        ("two-tower", {"features": FEATURES}, ("brand", "title", "price", "image")),
        ("two-tower", {"users.categories": "town"}, ("town",)),
        (
            "two-tower",
            {"tower": "mean", "features.text": "title", "users": {"categories": ["town"]}},
            ("title", "town"),
        ),
    ],
)
def test_the_audit_is_told_every_column_that_a_model_learned_from(model, values, read):
    assert columns(model, as_dict(estimator(model, values))) == read


def test_a_tower_that_learned_from_a_table_of_later_is_a_leak(shop, call, refused, tmp_path):
    pytest.importorskip("torch")
    late, *rest = shop.items.read_text().splitlines()[1:]
    lines = [f"{late},2030-01-01", *(f"{each},2001-01-01" for each in rest)]
    items = tmp_path / "items.csv"
    items.write_text("\n".join(["item_id,title,colour,updated", *lines, ""]))
    how = ("--items", items, "--test", "time:0.2", "--threads", 1, "--quiet", "--model")
    sets = [("--set", each) for each in ("dim=4", "epochs=1", "features.categories=colour")]
    towers = ("two-tower", *(word for pair in sets for word in pair))
    for name, model in (("popular", ("popularity",)), ("towers", towers)):
        call("train", shop.log, *how, *model, "--out", tmp_path / name)
    asked = ("--no-html", "--quiet", "--out", tmp_path / "report")
    call("evaluate", tmp_path / "popular", *asked)
    said = refused("evaluate", tmp_path / "popular", tmp_path / "towers", *asked)
    assert "the item table is of a later time" in said
