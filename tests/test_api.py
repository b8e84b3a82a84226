"""Every command has a Python function of the same name, options, defaults and choices."""

import inspect
import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Literal, Union, get_args, get_origin, get_type_hints

import click
import pytest

import recembed
from recembed.cli import cli
from recembed.errors import DataError

HELP_ONLY = {"models"}  # a page of help about names that both sides take
NOT_VERBS = {"__version__", "read_log", "Recommender", "datasets", "encoder_of"}
TEXTS = {"train": "train_text", "encode": "encode_texts", "evaluate": "evaluate_text"}
HEAVY = (
    *("numpy", "scipy", "pyarrow", "pandas", "numba", "torch", "annoy", "faiss", "implicit"),
    "tqdm",
)
REQUIRED = "required"


def commands(group: click.Group, prefix: str = "") -> dict[str, click.Command]:
    found = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= commands(command, f"{prefix}{name}.")
        else:
            found[prefix + name] = command
    return found


COMMANDS = commands(cli)


def function_of(name: str) -> str:
    """`text train-words` and `text nearest` are train_words and nearest_words."""
    group, _, verb = name.rpartition(".")
    if group != "text":
        return name
    return TEXTS.get(verb, f"{verb.removesuffix('-words')}_words")


def twin(name: str):
    place = recembed
    for part in function_of(name).split("."):
        place = getattr(place, part)
    return place


def nothing(default):
    """No values are told as (), {} or None, by click also as its own marker."""
    unset = getattr(click.core, "UNSET", None)
    return None if default is unset or default in ((), {}, None) else default


def of_command(command: click.Command) -> dict[str, object]:
    return {
        option.name: REQUIRED
        if option.required
        else bool(nothing(option.default))
        if getattr(option, "is_flag", False)
        else nothing(option.default)
        for option in command.params
    }


def of_function(function) -> dict[str, object]:
    return {
        name: REQUIRED if one.default is inspect.Parameter.empty else nothing(one.default)
        for name, one in inspect.signature(function).parameters.items()
    }


def choices(hint) -> tuple[str, ...] | None:
    """What a type hint allows, None where it is no list of words."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        found = [choices(each) for each in get_args(hint)]
        return next((each for each in found if each), None)
    return None


def test_every_command_has_a_function_and_every_function_a_command():
    functions = {name for name in recembed.__all__ if name not in NOT_VERBS}
    functions |= {
        f"datasets.{name}"
        for name, value in vars(recembed.datasets).items()
        if inspect.isfunction(value) and value.__module__ == recembed.datasets.__name__
    }
    assert functions == {function_of(name) for name in set(COMMANDS) - HELP_ONLY}


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - HELP_ONLY))
def test_a_command_and_its_function_have_the_same_options_and_defaults(name):
    assert of_command(COMMANDS[name]) == of_function(twin(name))


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - HELP_ONLY))
def test_a_command_and_its_function_take_the_same_words(name):
    hints = get_type_hints(twin(name))
    for option in COMMANDS[name].params:
        words = tuple(option.type.choices) if isinstance(option.type, click.Choice) else None
        assert words == choices(hints[option.name]), option.name


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - HELP_ONLY))
def test_arguments_of_a_command_are_the_first_ones_of_its_function(name):
    wanted = [one.name for one in COMMANDS[name].params if isinstance(one, click.Argument)]
    parameters = inspect.signature(twin(name)).parameters
    assert [*parameters][: len(wanted)] == wanted
    for each in wanted:
        assert parameters[each].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_says_what_it_is_for(name):
    command = COMMANDS[name]
    assert command.help
    for one in command.params:
        assert isinstance(one, click.Argument) or one.help, one.name


def test_the_twins_are_told_apart_when_one_of_them_changes():
    def changed(run, *, k=11):
        pass

    def renamed(run, *, top=10):
        pass

    @click.command()
    @click.argument("run")
    @click.option("--k", default=10)
    def command(run, k):
        pass

    assert of_command(command) != of_function(changed)
    assert of_command(command) != of_function(renamed)
    assert of_command(command) == {"run": REQUIRED, "k": 10}


def test_names_stay_functions_when_a_module_of_the_same_name_was_loaded():
    for name in set(recembed.__all__) - NOT_VERBS:
        assert callable(getattr(recembed, name)), name
        assert callable(getattr(recembed, name)), f"{name}, asked again"
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        recembed.trian  # noqa: B018
    assert set(recembed.__all__) <= set(dir(recembed))


def loaded_after(code: str, cwd: Path) -> list[str]:
    """Heavy packages that a fresh interpreter has loaded after `code`."""
    ending = f"import json, sys; print(json.dumps([n for n in {HEAVY} if n in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{ending}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=cwd,
    )
    return json.loads(done.stdout.splitlines()[-1])


RUN = """
import sys
from recembed.cli import main
def call(*arguments):
    sys.argv = ["recembed", *arguments]
    try:
        main()
    except SystemExit as end:
        assert not end.code, arguments
"""


def test_help_and_import_load_nothing_heavy(tmp_path):
    code = 'import recembed\ndir(recembed)\ncall("--help"); call("train", "--help")'
    assert loaded_after(RUN + code, tmp_path) == []


def test_only_training_two_towers_loads_torch(shop, made, tmp_path):
    towers, log = str(made("two-tower")), str(shop.log)
    code = f"""
call("recommend", {towers!r}, "--user", "u001")
call("similar", {towers!r}, "001")
for model in ("popularity", "als"):
    call("train", {log!r}, "--model", model, "--out", model, "--quiet")
call("train", {log!r}, "--out", "run", "--set", "dim=8", "--set", "negatives=3", "--quiet")
call("recommend", "run", "--user", "u001")
call("index", "run", "--kind", "annoy", "--quiet")
call("evaluate", "run", "--index", "both", "--quiet")
call("recommend", "run", "--user", "u001", "--index", "annoy")
call("export", "run", "--out", "vectors.parquet")
"""
    loaded = loaded_after(RUN + code, tmp_path)
    assert "torch" not in loaded
    assert {"numpy", "numba", "annoy", "implicit"} <= {*loaded}  # all of it was really used


def test_asking_a_run_loads_nothing_that_trains(made, tmp_path):
    code = f'call("recommend", {str(made("item2vec"))!r}, "--user", "u001")'
    loaded = loaded_after(RUN + code, tmp_path)
    assert not {"torch", "numba", "implicit", "annoy", "faiss", "tqdm"} & {*loaded}


def test_asking_words_loads_nothing_that_trains(tmp_path):
    (tmp_path / "vectors").write_text("3 2\na 1 0\nb 1 1\nc 0 1\n")
    code = 'call("text", "nearest", "vectors", "a")\ncall("text", "nearest", "vectors", "b")'
    assert not {"torch", "numba", "implicit", "annoy", "faiss", "tqdm"} & {
        *loaded_after(RUN + code, tmp_path)
    }


@pytest.mark.parametrize(
    ("model", "setting"), [("tf-idf", "dim=2"), ("bag", "words.method.subsample=0")]
)
def test_encoders_without_a_network_load_no_torch(tmp_path, model, setting):
    pytest.importorskip("sklearn")
    (tmp_path / "texts.txt").write_text("a ship sails\na baker bakes\n" * 9)
    (tmp_path / "pairs.csv").write_text("query,document\na ship,sails\na baker,bakes\n")
    code = f"""
learn = ("--model", {model!r}, "--set", {setting!r}, "--out", "run", "--quiet")
call("text", "train", "texts.txt", *learn)
call("text", "encode", "run", "texts.txt", "--out", "vectors.parquet", "--quiet")
call("text", "evaluate", "run", "pairs.csv")
"""
    assert "torch" not in loaded_after(RUN + code, tmp_path)
    assert (tmp_path / "vectors.parquet").exists()


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        ("train", {"device": "gpu"}),
        ("train", {"seen": "never"}),
        ("train", {"repeats": "drop"}),
        ("evaluate", {"index": "faiss"}),
        ("evaluate", {"on": "train"}),
        ("index", {"kind": "faiss"}),
        ("export", {"form": "csv"}),
        ("export", {"what": "everything"}),
        ("recommend", {"user": "u001", "seen": "never"}),
        ("recommend", {"user": "u001", "index": "faiss"}),
    ],
)
def test_functions_refuse_the_words_that_commands_refuse(
    shop, made, contents, tmp_path, verb, options
):
    outs = {"train": (shop.log, tmp_path / "out"), "export": (made("als"), tmp_path / "out")}
    quiet = {"quiet": True} if verb in ("train", "evaluate", "index") else {}
    before = contents(made("als"))
    (word,) = {*options.values()} - {"u001"}
    with pytest.raises(DataError, match=word):
        getattr(recembed, verb)(*outs.get(verb, (made("als"),)), **options, **quiet)
    assert not (tmp_path / "out").exists()
    assert contents(made("als")) == before
