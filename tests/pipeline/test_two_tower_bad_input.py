"""Tables that two towers cannot learn from: one line, and no run."""

import pytest

QUICK = ("--model", "two-tower", "--set", "dim=8", "--set", "epochs=1", "--threads", "1")


@pytest.fixture
def tables(shop, tmp_path):
    """Items of prices beyond all reason, and users of whom no town is told."""
    items = sorted({item for _, item, _, _ in shop.events})
    priced = [f"{item},{at}e300" for at, item in enumerate(items)]
    aged = [f"{user},,{20 + at}" for at, user in enumerate(shop.sizes)]
    (tmp_path / "items.csv").write_text("\n".join(["item_id,price", *priced, ""]))
    (tmp_path / "users.csv").write_text("\n".join(["user_id,town,age", *aged, ""]))
    return ("--items", tmp_path / "items.csv", "--users", tmp_path / "users.csv")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("features.numbers=price", "column 'price' holds numbers as large as 6e+301: scale them"),
        ("users.categories=town", "no user has anything in town of the user table: leave it out"),
    ],
)
def test_columns_that_nothing_is_learned_from_are_named(
    shop, refused, tables, tmp_path, value, message
):
    line = refused("train", shop.log, "--out", tmp_path / "run", *tables, *QUICK, "--set", value)
    assert message in line
    assert not (tmp_path / "run").exists()
