"""Which differences between runs are real, how big, and how sure?"""

from collections.abc import Sequence
from pathlib import Path

from recembed.data.split import Part
from recembed.errors import DataError
from recembed.evaluation.answers import Measure, ask
from recembed.evaluation.cases import cases
from recembed.evaluation.comparisons import compared
from recembed.evaluation.runner import check
from recembed.metrics.intervals import Resamples
from recembed.metrics.names import metric_at, per_case
from recembed.pipeline.contest import Indices, Leaks, contest
from recembed.pipeline.train import check_seed, machine_of
from recembed.progress import Progress
from recembed.report.document import Comparison


def compare(
    runs: Sequence[str | Path],
    *,
    metric: Sequence[str] | str = ("recall@10", "ndcg@10"),
    on: Part = "test",
    index: Indices | None = None,
    leaks: Leaks = "fail",
    seed: int = 0,
    threads: int | None = None,
    quiet: bool = False,
) -> tuple[Comparison, ...]:
    """Every pair of RUNS on each metric: the difference, its interval, and a corrected test.

    Runs that differ in their seed alone are one model. Holm's correction is over the pairs of one
    metric.

    Raises: DataError if there are fewer than two models, a metric is unknown, or for a leak.
    """
    metrics = [metric] if isinstance(metric, str) else list(metric)
    names = [metric_at(each) for each in metrics]
    check_seed(seed)
    machine, progress = machine_of(threads, "auto"), Progress("quiet" if quiet else "auto")
    among = contest(runs, on, leaks)
    rankers, _ = among.rankers(index, machine)
    if len(rankers) < 2:
        raise DataError("there is one model, and nothing to compare it with: name another run")
    asked = cases(among.split, on, seed=seed)
    measure = Measure(among.repeats, [k for _, k in names], memory=machine.memory)
    measure = measure.within(asked.n_items)
    check(rankers, asked)
    places = {
        model: [ask(model, each, asked, measure, None, progress).places for each in seeds]
        for model, seeds in rankers.items()
    }
    resamples = Resamples(asked.owner, seed=seed)
    found: list[Comparison] = []
    for name, k in names:
        each = f"{name}@{min(k, asked.n_items)}"  # as a report has it
        values = {model: per_case(each, seeds) for model, seeds in places.items()}
        found += compared(values, resamples, each)
    return tuple(found)
