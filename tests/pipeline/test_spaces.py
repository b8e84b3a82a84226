"""Where a search looks: the spaces of models, those that users name, and what is fixed."""

from dataclasses import dataclass, replace
from typing import Literal, get_type_hints

import pytest

from recembed.errors import DataError
from recembed.models.registry import estimator, names
from recembed.pipeline.spaces import free, reaching, searched, spaces
from recembed.settings import (
    Choices,
    Range,
    between,
    change,
    check,
    described,
    flat,
    kinds,
    log_between,
    one_of,
    parts,
    setting,
)


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
    columns: tuple[str, ...] = setting((), "not to be searched")

    def __post_init__(self):
        check(self)


@dataclass(frozen=True)
class Round:
    kind: Literal["round"] = setting("round", "no side")
    radius: int = setting(2, "half of it", low=1, search=one_of(2, 4))


@dataclass(frozen=True)
class Square:
    kind: Literal["square"] = setting("square", "four sides")
    side: int = setting(2, "of each", low=1, search=one_of(2, 4))


@dataclass(frozen=True)
class Drawn:
    shape: Round | Square = setting(Round(), "a shape")
    part: Part = setting(Part(), "a part")


def test_spaces_are_named_as_the_settings_are_and_fixed_fields_have_none():
    assert spaces(Searched()) == {
        "size": Range(2, 64, log=True),
        "kind": Choices(("red", "green")),
        "part.decay": Range(0.5, 1.0),
        "part.past": Range(0.1, 1.0, log=True, needs="group"),
    }


def variants():
    """Every model, once with each kind of each of its parts."""
    for name in names():
        model = estimator(name)
        yield pytest.param(model, id=name)
        hints = get_type_hints(type(model))
        for part, chosen in kinds(model).items():
            for kind in parts(hints[part]):
                if kind != chosen:
                    yield pytest.param(change(model, {part: kind}), id=f"{name} {part}={kind}")


@pytest.mark.parametrize("model", list(variants()))
def test_every_space_of_a_model_lies_in_its_fields_range_and_holds_the_default(model):
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
        ({"part": "1,2"}, "part has parts: set part.decay, part.past"),
        ({"size": (2, 9)}, "a space is text, size='8,16' or size='8..64:log', not (2, 9)"),
    ],
)
def test_a_space_that_cannot_be_sampled_is_one_clear_line(given, message):
    with pytest.raises(DataError) as error:
        searched(Searched(), given)
    assert str(error.value).endswith(message)


def test_a_list_of_text_is_not_searched():
    with pytest.raises(DataError, match="columns is a list of text, which cannot be searched"):
        searched(Searched(), {"columns": "a,b"})


@pytest.mark.parametrize("name", ["shape", "shape.kind"])
def test_kinds_are_not_searched(name):
    with pytest.raises(DataError, match=r"shape is not searched: fix it \(shape=NAME\)"):
        searched(Drawn(), {name: "round,square"})


@pytest.mark.parametrize(
    ("fixed", "spaced", "kept"),
    [
        ({}, {"shape.radius", "part.decay", "part.past"}, {}),
        ({"shape": "square"}, {"shape.side", "part.decay", "part.past"}, {}),
        ({"shape.kind": "square"}, {"shape.side", "part.decay", "part.past"}, {}),
        (
            {"shape": {"kind": "square", "side": 8}, "part": {"decay": 0.5}},
            {"part.past"},
            {"shape.side": 8, "part.decay": 0.5},
        ),
        (
            {"part.decay": "0.5", "shape.radius": "3"},
            {"part.past"},
            {"part.decay": 0.5, "shape.radius": 3},
        ),
    ],
)
def test_what_is_fixed_is_kept_with_every_kind_and_the_rest_is_searched(fixed, spaced, kept):
    owner = change(Drawn(), fixed)
    found, held = free(owner, fixed, {})
    assert set(found) == spaced
    assert held == {"shape.kind": owner.shape.kind, **kept}


def test_a_field_of_a_kind_that_was_not_chosen_has_no_space():
    with pytest.raises(DataError, match="shape=round has no 'side': choose shape=square"):
        free(Drawn(), {}, {"shape.side": "2,4"})


@pytest.mark.parametrize("fixed", [{"part.decay": 0.5}, {"part": {"decay": 0.5}}])
def test_what_is_fixed_cannot_be_searched(fixed):
    with pytest.raises(DataError, match=r"part\.decay' is fixed \(--set\) and searched"):
        free(change(Drawn(), fixed), fixed, {"part.decay": "0.5..1"})


def test_what_differs_from_the_defaults_stays_where_it_is_not_searched():
    owner = change(Drawn(), {"shape": "square", "shape.side": 8, "part.decay": 0.2})
    found, held = free(owner, {}, {}, only=["part.decay"])
    assert found == {"part.decay": Range(0.2, 1.0)}  # as far as where it begins
    assert held == {"shape.kind": "square", "shape.side": 8, "part.decay": 0.2}


@pytest.mark.parametrize(
    ("space", "value", "found"),
    [
        (Choices((2, 4)), 4, Choices((2, 4))),
        (Choices((2, 4), needs="group"), 3, Choices((2, 4, 3), needs="group")),
        (Range(2, 8, log=True), 16, Range(2, 16, log=True)),
        (Range(2, 8, log=True), 0, Range(2, 8, log=True)),
        (Range(0.5, 1.0, needs="group"), 0.0, Range(0.0, 1.0, needs="group")),
        (Range(0.5, 1.0), None, Range(0.5, 1.0)),
    ],
)
def test_a_space_reaches_where_a_search_begins(space, value, found):
    assert reaching(space, value) == found


def test_choices_that_the_rest_rules_out_are_not_searched():
    assert "unit" in searched(estimator("two-tower"), {})
    older = estimator("two-tower", {"older": True})  # of users alone
    assert "unit" not in searched(older, {})
    odd = searched(change(older, {"dim": 12, "tower.heads": 12}), {})
    assert odd["tower.heads"] == Choices((1, 2, 4, 12))
    assert "dim" not in odd  # no other is shared by 12 heads
    assert searched(change(older, {"dim": 96}), {})["dim"] == Choices((32, 64, 128, 256, 96))


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("size", r"is fixed \(--set\) and searched"),
        (
            "threads",
            r"threads has no space of its own: give it one \(--space threads=VALUE,VALUE or ",
        ),
        ("part", r"part has parts: set part\.decay, part\.past"),
        ("thread", "no hyperparameter 'thread'; there is threads"),
        ("part.decai", "no hyperparameter 'decai'"),
    ],
)
def test_what_cannot_be_searched_alone_is_one_line(only, message):
    fixed = {"size": 4}
    with pytest.raises(DataError, match=message):
        free(change(Searched(), fixed), fixed, {}, only=[only])


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
