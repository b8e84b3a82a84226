"""Hyperparameters by name, from text, within their ranges."""

import json
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.errors import DataError
from recembed.settings import as_dict, change, check, described, flat, kinds, setting


@dataclass(frozen=True)
class Inner:
    rate: float = setting(0.5, "a share", low=0.0, high=1.0)
    last: int | None = setting(None, "the last N", low=1)

    def __post_init__(self):
        check(self)


@dataclass(frozen=True)
class Outer:
    kind: Literal["red", "green"] = setting("red", "a colour")
    size: int = setting(4, "how many", low=1, high=9)
    deep: bool = setting(True, "whether deep")
    names: tuple[str, ...] = setting((), "columns")
    part: Inner = setting(Inner(), "a part")

    def __post_init__(self):
        check(self)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("kind", "green", "green"),
        ("size", "7", 7),
        ("size", 7.0, 7),
        ("deep", "false", False),
        ("deep", "No", False),
        ("deep", "YES", True),
        ("deep", "1", True),
        ("deep", False, False),
        ("names", "a,b", ("a", "b")),
        ("names", "a, b ", ("a", "b")),
        ("names", "", ()),
        ("names", ["a", "b"], ("a", "b")),
        ("part.rate", "1e-2", 0.01),
        ("part.rate", 1, 1.0),
        ("part.last", "none", None),
        ("part.last", None, None),
        ("part.last", "12", 12),
    ],
)
def test_text_and_json_become_the_fields_type(name, text, value):
    found = flat(change(Outer(part=Inner(last=3)), {name: text}))[name]
    assert found == value
    assert type(found) is type(value)


def test_flat_gives_every_name_and_nothing_else_moves():
    one = Outer()
    other = change(one, {"part.rate": "0.25", "part.last": "2", "size": "3"})
    assert flat(one) == {
        "kind": "red", "size": 4, "deep": True, "names": (), "part.rate": 0.5, "part.last": None,
    }  # fmt: skip
    assert flat(other) == flat(one) | {"size": 3, "part.rate": 0.25, "part.last": 2}
    assert one == Outer()
    assert as_dict(other)["part"] == {"rate": 0.25, "last": 2}
    assert change(one, as_dict(other)) == other
    assert change(one, flat(other)) == other
    assert change(one, {"part": {"rate": 0.25}, "part.last": 2, "size": 3}) == other


@given(
    st.sampled_from(["red", "green"]),
    st.integers(1, 9),
    st.booleans(),
    st.floats(0, 1),
    st.none() | st.integers(1, 10**6),
)
def test_what_a_setting_prints_sets_it_again(kind, size, deep, rate, last):
    made = Outer(kind=kind, size=size, deep=deep, part=Inner(rate=rate, last=last))
    texts = {name: str(value) for name, value in flat(made).items() if name != "names"}
    assert change(Outer(), texts) == made


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sise": 3}, "no hyperparameter 'sise'; there is size"),
        ({"part.raet": 3}, "no hyperparameter 'raet'; there is rate"),
        ({"xyz": 3}, "no hyperparameter 'xyz'; there is deep, kind, names, part, size"),
        ({"size.deep": 3}, "size has no parts: there is no 'size.deep'"),
        ({"part": "3"}, "part has parts: set part.rate, part.last"),
        ({"size": "many"}, "size is of type int, 'many' is not"),
        ({"size": "1.5"}, "size is of type int, '1.5' is not"),
        ({"size": 1.5}, "size is of type int, 1.5 is not"),
        ({"size": float("inf")}, "size is of type int, inf is not"),
        ({"size": None}, "size is of type int, None is not"),
        ({"size": True}, "size is of type int, True is not"),
        ({"part.rate": "fast"}, "rate is of type float, 'fast' is not"),
        ({"deep": "maybe"}, "deep is of type bool, 'maybe' is not"),
        ({"deep": 1}, "deep is of type bool, 1 is not"),
        ({"names": 5}, "names is a list of text, 5 is not"),
        ({"names": [5]}, "names is a list of text, [5] is not"),
        ({"size": "0"}, "size must be at least 1, not 0"),
        ({"size": 10}, "size must be at most 9, not 10"),
        ({"part.rate": "nan"}, "rate must be a finite number, not nan"),
        ({"part.rate": "-1e400"}, "rate must be a finite number, not -inf"),
        ({"part.last": "9" * 12}, "last must be at most 2147483647, not 999999999999"),
        ({"part.rate": 1.1}, "rate must be at most 1.0, not 1.1"),
        ({"part.last": 0}, "last must be at least 1, not 0"),
        ({"kind": "blue"}, "kind is one of red, green, not 'blue'"),
        ({"kind": None}, "kind is one of red, green, not None"),
    ],
)
def test_what_is_wrong_is_one_clear_line(values, message):
    with pytest.raises(DataError) as error:
        change(Outer(), values)
    assert str(error.value) == message


def test_both_ends_of_a_range_are_allowed():
    for size in (1, 9):
        assert Outer(size=size).size == size
    for rate in (0.0, 1.0):
        assert Inner(rate=rate).rate == rate


def test_a_dataclass_made_by_hand_is_held_to_the_same_ranges():
    with pytest.raises(DataError, match="size must be at most 9, not 10"):
        Outer(size=10)
    with pytest.raises(DataError, match="kind is one of red, green, not 'blue'"):
        Outer(kind="blue")


def test_a_description_has_default_range_and_meaning():
    assert described(Outer()) == [
        "kind = 'red' red|green: a colour",
        "size = 4 1..9: how many",
        "deep = True: whether deep",
        "names = (): columns",
        "part.rate = 0.5 0.0..1.0: a share",
        "part.last = None >= 1: the last N",
    ]


@dataclass(frozen=True)
class Square:
    kind: Literal["square"] = setting("square", "four sides")
    side: int = setting(2, "of each", low=1, high=9)
    inner: Inner = setting(Inner(), "a part of the part")

    def __post_init__(self):
        check(self)


@dataclass(frozen=True)
class Circle:
    kind: Literal["circle"] = setting("circle", "no side")
    radius: int = setting(2, "half of it", low=1, high=9)
    side: int = setting(7, "a field that squares have, too", low=1, high=9)

    def __post_init__(self):
        check(self)


@dataclass(frozen=True)
class Point:
    kind: Literal["point"] = setting("point", "nothing to choose")


@dataclass(frozen=True)
class Drawn:
    size: int = setting(4, "how many", low=1, high=9)
    shape: Square | Circle | Point = setting(Square(), "a shape")

    def __post_init__(self):
        check(self)


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        ({"shape": "circle"}, Circle()),
        ({"shape.kind": "circle"}, Circle()),
        ({"shape": {"kind": "circle", "radius": 3}}, Circle(radius=3)),
        ({"shape": "circle", "shape.radius": "3"}, Circle(radius=3)),
        ({"shape.radius": "3", "shape": "circle"}, Circle(radius=3)),
        (
            {"shape.side": "3", "shape.radius": "3", "shape.kind": "circle"},
            Circle("circle", 3, 3),
        ),
        ({"shape.inner.rate": "0.1"}, Square(inner=Inner(0.1))),
        ({"shape.inner.rate": "0.1", "shape": "square"}, Square(inner=Inner(0.1))),
        ({"shape": {"inner": {"rate": 0.1}}, "shape.side": 5}, Square(side=5, inner=Inner(0.1))),
        ({"shape": {"kind": "point"}}, Point()),
    ],
)
def test_a_part_of_several_kinds_is_chosen_before_it_is_changed(values, shape):
    assert change(Drawn(), values) == Drawn(shape=shape)


@dataclass(frozen=True)
class Shares:
    near: float = setting(0.5, "a share")
    far: float = setting(0.5, "another")

    def __post_init__(self):
        if self.near + self.far > 1:
            raise DataError("too much")


@dataclass(frozen=True)
class Shared:
    shares: Shares = setting(Shares(), "which are 1 at most")


@pytest.mark.parametrize("names", [("near", "far"), ("far", "near")])
def test_fields_that_are_checked_together_are_set_together(names):
    values = {"near": 0.8, "far": 0.1}
    changed = change(Shared(), {f"shares.{name}": values[name] for name in names})
    assert changed == Shared(Shares(0.8, 0.1))
    with pytest.raises(DataError, match="too much"):
        change(Shared(), {"shares.near": 0.8})


def test_another_kind_begins_with_its_defaults_and_the_same_kind_stays_as_it_is():
    made = Drawn(shape=Square(side=5))
    assert change(made, {"shape": "square"}) == made
    assert change(made, {"shape": "circle"}).shape.side == 7
    assert change(change(made, {"shape": "point"}), {"shape": "square"}).shape.side == 2


shapes = st.one_of(
    st.builds(Square, side=st.integers(1, 9), inner=st.builds(Inner, rate=st.floats(0, 1))),
    st.builds(Circle, radius=st.integers(1, 9), side=st.integers(1, 9)),
    st.just(Point()),
)


@given(shapes, shapes, st.randoms())
def test_whatever_was_chosen_comes_back_from_a_manifest_and_from_text_in_any_order(
    one, other, random
):
    made = Drawn(shape=one)
    assert change(Drawn(shape=other), json.loads(json.dumps(as_dict(made)))) == made
    texts = [(name, str(value)) for name, value in flat(made).items()]
    random.shuffle(texts)
    assert change(Drawn(shape=other), dict(texts)) == made


def test_kinds_say_which_part_was_chosen():
    assert kinds(Drawn()) == {"shape": "square"}
    assert kinds(Drawn(shape=Point())) == {"shape": "point"}
    assert kinds(Outer()) == {}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shape": "cube"}, "shape is one of square, circle, point, not 'cube'"),
        ({"shape.kind": "cube"}, "shape is one of square, circle, point, not 'cube'"),
        ({"shape": {"kind": ["cube"]}}, "shape is one of square, circle, point, not ['cube']"),
        ({"shape.radius": 3}, "shape=square has no 'radius': choose shape=circle"),
        (
            {"shape": "point", "shape.side": 3},
            "shape=point has no 'side': choose shape=square or shape=circle",
        ),
        ({"shape": {"kind": "circle", "inner": {"rate": 1}}}, "shape=circle has no 'inner'"),
        ({"shape.raduis": 3, "shape": "circle"}, "no hyperparameter of shape=circle: 'raduis'"),
        ({"shape.side": 30}, "side must be at most 9, not 30"),
        ({"shape": 3}, "shape has parts: set shape.kind, shape.side, shape.inner"),
    ],
)
def test_a_wrong_part_is_one_line_that_names_the_right_ones(values, message):
    with pytest.raises(DataError) as error:
        change(Drawn(), values)
    assert str(error.value).startswith(message)


def test_a_part_made_by_hand_is_one_of_its_kinds():
    with pytest.raises(DataError, match=r"shape is one of Square\(\), Circle\(\), Point\(\), not"):
        Drawn(shape="circle")


def test_a_description_shows_each_kind_of_a_part_with_what_it_has():
    assert described(Drawn()) == [
        "size = 4 1..9: how many",
        "shape = 'square' square|circle|point: a shape",
        "  shape=square: four sides",
        "    shape.side = 2 1..9: of each",
        "    shape.inner.rate = 0.5 0.0..1.0: a share",
        "    shape.inner.last = None >= 1: the last N",
        "  shape=circle: no side",
        "    shape.radius = 2 1..9: half of it",
        "    shape.side = 7 1..9: a field that squares have, too",
        "  shape=point: nothing to choose",
    ]
