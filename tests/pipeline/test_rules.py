"""Every rule that holds events out, and what may be evaluated on them."""

from collections import Counter, defaultdict
from datetime import UTC, datetime

from recembed.run.folder import Run
from recembed.run.log import load_log

DAY = 86_400
POPULAR = ("--model", "popularity", "--quiet")


def by_hand(shop):
    """user -> times, basket -> (start, items), last time."""
    times, baskets = defaultdict(list), {}
    for user, item, time, basket in shop.events:
        times[user].append(time)
        start, items = baskets.setdefault(basket, (time, set()))
        baskets[basket] = (min(start, time), items | {item})
    return times, baskets, max(event[2] for event in shop.events)


def test_every_rule_holds_out_what_it_says(shop, trained, evaluated):
    times, baskets, end = by_hand(shop)
    users, cut = len(times), 1_600_000_000 + 5 * DAY
    date = datetime.fromtimestamp(cut, UTC)

    def users_after(moment):
        return sum(max(theirs) >= moment for theirs in times.values())

    def baskets_from(moment):
        return sum(start >= moment and len(items) > 1 for start, items in baskets.values())

    def users_between(start, end):
        return sum(any(start <= at < end for at in theirs) for theirs in times.values())

    wanted = {
        "last:3": users,
        f"time:{date:%Y-%m-%dT%H:%M:%S}+00:00": users_after(cut),
        "time:-36h": users_after(end - 36 * 3600 + 1),
        "time:-6d..-3d": users_between(end - 6 * DAY + 1, end - 3 * DAY + 1),
        "random:0.2": users,
        "users:0.25/0.3": users // 4,
        f"groups:{date:%Y-%m-%dT%H:%M:%S}": baskets_from(cut),
    }
    for rule, cases in wanted.items():
        run = trained(shop.log, "--columns", "group=basket", "--test", rule)
        report = evaluated(run)
        assert report.n_cases == cases, rule
        assert report.setting["test_rule"] == rule
    share = evaluated(trained(shop.log, "--columns", "group=basket", "--test", "groups:0.2"))
    held = share.n_cases + share.counts["baskets_of_one_item"]
    assert held == round(0.2 * len(baskets))


def test_a_run_that_holds_nothing_out_serves_but_proves_nothing(shop, trained, call, refused):
    run = trained(shop.log, "--test", "none")
    assert Run.open(run).facts["split"] is None
    log, part = load_log(Run.open(run))
    assert (len(log.interactions), int(part.sum())) == (len(shop.events), 0)
    assert call("recommend", run, "--user", "u001").answers[0]["reason"] == "model"
    assert "holds nothing out: train with a test rule" in refused("evaluate", run)


def test_a_refitted_run_counts_the_test_events_too_and_proves_nothing(shop, trained, call, refused):
    run = trained(shop.log, "--refit")
    top = call("recommend", run, "--user", "nobody", "-k", 1).answers[0]["items"][0]
    assert top["score"] == max(Counter(event[1] for event in shop.events).values())
    line = refused("evaluate", run)
    assert "1 model learned from the test part itself: 'popularity' (train without --refit)" in line


def test_the_valid_part_is_for_runs_that_did_not_train_on_it(shop, trained, evaluated, refused):
    run = trained(shop.log, "--test", "last:1", "--valid", "last:1")
    assert Run.open(run).facts["split"]["counts"]["valid_events"] == 120
    assert "train with --tune" in refused("evaluate", run, "--on", "valid")
    assert evaluated(run).setting["evaluated_on"] == "test"
    run = trained(shop.log, "--test", "last:1", "--valid", "last:1", "--tune")
    report = evaluated(run, "--on", "valid")
    assert (report.setting["evaluated_on"], report.n_cases) == ("valid", 120)
    assert evaluated(run).n_cases == 120
    line = refused("train", shop.log, "--out", run, *POPULAR, "--tune")
    assert "tune needs a valid part: name its rule" in line
    line = refused("train", shop.log, "--out", run, "--test", "none", "--valid", "last:1")
    assert "name its rule too" in line
    assert "no valid part" in refused("evaluate", trained(shop.log), "--on", "valid")


def unordered(folder, head="user,item"):
    lines = [f"{user},{(user * at) % 11}" for at in range(5) for user in range(1, 21)]
    (folder / "log.csv").write_text("\n".join([head, *lines, ""]))
    return folder / "log.csv"


def test_a_log_without_order_needs_one_or_a_rule_that_needs_none(
    tmp_path, trained, evaluated, refused
):
    log = unordered(tmp_path)
    line = refused("train", log, "--out", tmp_path / "run", *POPULAR, "--test", "last:1")
    assert "last:1 needs an order" in line
    assert "--file-order" in line
    assert "users:0.1" in line
    assert evaluated(trained(log, "--test", "users:0.25")).n_cases == 5
    assert "needs times" in refused("train", log, "--out", tmp_path / "run", "--test", "time:-1d")


def test_file_order_holds_out_the_last_lines_and_is_kept_in_the_run(tmp_path, trained):
    run = trained(unordered(tmp_path), "--file-order")
    log, part = load_log(Run.open(run))
    events = log.interactions
    assert events.order == "position"  # or evaluation would draw which event is the last
    held = dict(zip(events.events.owners()[part == 2], events.rows[part == 2], strict=True))
    users, items = events.users.ids.to_pylist(), events.items.ids.to_pylist()
    found = {users[owner]: items[row] for owner, row in held.items()}
    assert found == {user: (user * 4) % 11 for user in range(1, 21)}


def test_a_position_is_order_enough(tmp_path, trained, evaluated):
    lines = [f"{user},{(user * at) % 11},{9 - at}" for at in range(5) for user in range(1, 21)]
    (tmp_path / "log.csv").write_text("\n".join(["user,item,position", *lines, ""]))
    run = trained(tmp_path / "log.csv")
    assert evaluated(run).n_cases == 20
    log, part = load_log(Run.open(run))
    assert {*log.interactions.rows[part == 2]} == {*log.interactions.items.rows([0])}  # at 0


def test_one_user_is_enough_for_last_and_too_few_for_a_share(tmp_path, trained, evaluated, refused):
    (tmp_path / "log.csv").write_text(
        "user,item,time\n" + "".join(f"1,{i},{i}\n" for i in range(6))
    )
    report = evaluated(trained(tmp_path / "log.csv", "--test", "last:1"))
    assert report.n_cases == 1
    assert any("one user" in note for note in report.notes)
    line = refused("train", tmp_path / "log.csv", "--out", tmp_path / "x", "--test", "users:0.1")
    assert "leaves the test part empty; there are 6 events of 1 users" in line
    assert not (tmp_path / "x").exists()


def test_by_itself_the_last_tenth_of_time_is_held_out_and_the_run_says_from_when(
    shop, trained, evaluated
):
    run = trained(shop.log, "--valid", "auto")
    cut = Run.open(run).facts["split"]
    assert (cut["test"], cut["valid"]) == ("time:0.1", "time:0.1")
    late = sorted(event[2] for event in shop.events)[-cut["counts"]["test_events"] :]
    assert late[0] == cut["moments"]["test_from"] > cut["moments"]["valid_from"]
    assert abs(len(late) - len(shop.events) / 10) <= 1  # no two users act in the same second
    report = evaluated(run)
    assert report.setting["test_rule"] == "time:0.1"
    assert report.counts["targets"] <= len(late)


def test_a_log_without_order_or_groups_holds_random_items_out_by_itself(tmp_path, trained):
    run = trained(unordered(tmp_path))
    assert Run.open(run).facts["split"]["test"] == "random:0.1"
    assert Run.open(run).facts["split"]["counts"]["test_users"] >= 18  # u = 11: one item alone


def test_the_parts_that_a_log_brings_are_evaluated_on_and_kept(tmp_path, trained, evaluated, call):
    for name, at in {"train": range(4), "valid": range(4, 5), "test": range(5, 7)}.items():
        lines = [f"{user},{(user * step) % 11}" for step in at for user in range(1, 11)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["user,item", *lines, ""]))
    run = trained(tmp_path, "--valid", "given", "--tune")
    log, cut = load_log(Run.open(run))
    assert cut.tolist() == log.interactions.part.tolist()
    assert (evaluated(run).n_cases, evaluated(run, "--on", "valid").n_cases) == (10, 10)
    assert Run.open(run).facts["split"]["test"] == "given"
    answer = call("recommend", run, "--user", 1, "--basket", 7, "-k", 3).answers[0]
    assert len(answer["items"]) == 3


def test_what_follows_a_window_is_trained_on_for_serving_alone(shop, trained, call):
    counts = Counter(event[1] for event in shop.events)

    def best(*options):
        run = trained(shop.log, "--test", "time:-6d..-3d", *options)
        answer = call("recommend", run, "--user", "nobody", "-k", 1).answers[0]["items"][0]
        cut = Run.open(run).facts["split"]["counts"]
        return answer["score"], cut["train_events"], cut["later_events"]

    assert best("--refit")[0] == max(counts.values())
    score, trained_on, later = best()
    assert later > 0
    assert trained_on + later < len(shop.events)
    assert score < max(counts.values())
