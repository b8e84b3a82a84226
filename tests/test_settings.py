"""Hyperparameters by name, from text, within their ranges."""

from dataclasses import dataclass, replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.errors import DataError
from recembed.models.registry import estimator, names
from recembed.settings import (
    Choices,
    Range,
    as_dict,
    between,
    change,
    check,
    described,
    flat,
    log_between,
    one_of,
    searched,
    setting,
    spaces,
)


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
        ({"part": "3"}, "part has parts: set them as part.PART=VALUE"),
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
class Part:
    decay: float = setting(1.0, "a share", low=0.0, high=1.0, search=between(0.5, 1.0))
    past: float = setting(1.0, "a factor", low=0.0, search=log_between(0.1, 1.0, needs="group"))

    def __post_init__(self):
        check(self)


@dataclass(frozen=True)
class Searched:
    size: int = setting(4, "how many", low=1, search=log_between(2, 64))
    kind: Literal["red", "green"] = setting("red", "a colour", search=one_of("red", "green"))
    threads: int = setting(1, "nothing to choose", low=1)
    part: Part = setting(Part(), "a part")

    def __post_init__(self):
        check(self)


def test_spaces_are_named_as_the_settings_are_and_fixed_fields_have_none():
    assert spaces(Searched()) == {
        "size": Range(2, 64, log=True),
        "kind": Choices(("red", "green")),
        "part.decay": Range(0.5, 1.0),
        "part.past": Range(0.1, 1.0, log=True, needs="group"),
    }


@pytest.mark.parametrize("name", names())
def test_every_space_of_a_model_lies_in_its_fields_range_and_holds_the_default(name):
    model = estimator(name)
    now = flat(model)
    for field, space in spaces(model).items():
        values = space.values if isinstance(space, Choices) else (space.low, space.high)
        for value in values:
            set_to = flat(change(model, {field: value}))[field]
            assert (set_to, type(set_to)) == (value, type(value)), field
        assert now[field] in space, field
        if isinstance(space, Choices):
            assert len(set(values)) == len(values) > 1, field
        else:
            assert not (space.log and space.low <= 0), field
            assert space.low < space.high, field


@pytest.mark.parametrize(
    ("name", "text", "space"),
    [
        ("size", "8,16, 8", Choices((8, 16))),
        ("size", "7", Choices((7,))),
        ("size", "2..9", Range(2, 9)),
        ("size", "2..9:log", Range(2, 9, log=True)),
        ("size", "3..3", Range(3, 3)),
        ("threads", "1,2", Choices((1, 2))),
        ("kind", "green", Choices(("green",))),
        ("part.decay", "0..1", Range(0.0, 1.0)),
        ("part.past", "1e-2..10:log", Range(0.01, 10.0, log=True)),
    ],
)
def test_a_space_is_given_as_text_and_takes_the_place_of_the_models_own(name, text, space):
    assert searched(Searched(), {name: text}) == spaces(Searched()) | {name: space}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": "9..2"}, "size cannot be searched in '9..2': 9 is above 2"),
        ({"size": "2..9:lin"}, "in '2..9:lin': there is no scale 'lin': write :log, or nothing"),
        ({"part.decay": "0..1:log"}, "in '0..1:log': a logarithm needs ends above 0"),
        ({"kind": "red..green"}, "its ends are no numbers: name its values (a,b,c)"),
        ({"size": "few..9"}, "size is of type int, 'few' is not"),
        ({"size": "1.5,2"}, "size is of type int, '1.5' is not"),
        ({"size": ""}, "size is of type int, '' is not"),
        ({"size": "2.."}, "size is of type int, '' is not"),
        ({"size": "0..4"}, "size must be at least 1, not 0"),
        ({"part.decay": "0.5..1.5"}, "decay must be at most 1.0, not 1.5"),
        ({"part.decay": "nan..1"}, "decay must be a finite number, not nan"),
        ({"kind": "red,blue"}, "kind is one of red, green, not 'blue'"),
        ({"sise": "1,2"}, "no hyperparameter 'sise'; there is size"),
        ({"part": "1,2"}, "part has parts: set them as part.PART=VALUE"),
        ({"size": (2, 9)}, "a space is text, size='8,16' or size='8..64:log', not (2, 9)"),
    ],
)
def test_a_space_that_cannot_be_sampled_is_one_clear_line(given, message):
    with pytest.raises(DataError) as error:
        searched(Searched(), given)
    assert str(error.value).endswith(message)


def test_a_list_of_text_is_not_searched():
    with pytest.raises(DataError, match="names is a list of text, which cannot be searched"):
        searched(Outer(), {"names": "a,b"})


@pytest.mark.parametrize("name", names())
def test_a_space_is_read_as_it_is_shown(name):
    model = estimator(name)
    shown = {field: str(space) for field, space in spaces(model).items()}
    plain = {field: replace(space, needs=None) for field, space in spaces(model).items()}
    assert searched(model, shown) == plain
    told = described(model)
    assert all(
        any(line.endswith(f"[searched in {text}]") for line in told) for text in shown.values()
    )
