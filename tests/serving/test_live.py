import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from recembed.errors import RunError
from recembed.protocols import Machine
from recembed.recommender import Recommender
from recembed.serving.live import Live
from recembed.serving.meters import Meters


def live_of(run):
    return Live(run, lambda: Recommender.load(run, machine=Machine(threads=1)), Meters())


def counted(live, result):
    return live.meters.registry.get_sample_value("recembed_reloads_total", {"result": result})


def shown(live):
    """Identities that the metrics tell."""
    (family,) = [one for one in live.meters.registry.collect() if one.name == "recembed_run_info"]
    return [sample.labels["identity"] for sample in family.samples]


def test_a_run_that_stays_is_not_loaded_again(run):
    live = live_of(run)
    before = live.recommender
    live.look()
    assert live.recommender is before
    assert counted(live, "ok") == counted(live, "failed") == 0


def test_a_link_that_moves_is_followed(link, made):
    live = live_of(link(made("als")))
    first = live.recommender.state.identity
    link(made("item2vec"))
    live.look()
    assert live.recommender.state.identity != first
    assert live.trouble is None
    assert counted(live, "ok") == 1
    assert shown(live) == [live.recommender.state.identity]


def test_a_folder_that_is_written_anew_is_taken_up(copied, made):
    run = copied("als")
    live = live_of(run)
    for file in made("item2vec").iterdir():  # the manifest last, as a writer does
        if file.name != "manifest.json":
            shutil.copy(file, run)
    live.look()
    assert counted(live, "ok") == 0
    shutil.copy(made("item2vec") / "manifest.json", run)
    live.look()
    assert counted(live, "ok") == 1


@pytest.mark.parametrize("how", ["cut", "no manifest", "no folder", "edited", "not JSON"])
def test_a_broken_run_is_refused_and_the_old_one_stays(link, made, broken, tmp_path, how, serve):
    current = link(made("item2vec"))
    live = live_of(current)
    client = serve(None, live=live)
    before = client.get("/recommend?user=u001").json()
    if how == "no manifest":
        (broken / "manifest.json").unlink()
    elif how == "no folder":
        shutil.rmtree(broken)
    elif how == "edited":
        text = (broken / "manifest.json").read_text()
        (broken / "manifest.json").write_text(text.replace('"als"', '"ALS"'))
    elif how == "not JSON":
        (broken / "manifest.json").write_bytes(b"\xff")
    link(broken)
    live.look()
    assert counted(live, "failed") == 1
    ready = client.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["status"] == "degraded"
    assert ready.json()["identity"] == live.recommender.state.identity
    assert str(tmp_path) in ready.json()["reason"]
    assert "\n" not in ready.json()["reason"]
    assert client.get("/recommend?user=u001").json() == before
    assert "recembed_degraded 1.0" in client.get("/metrics").text

    link(made("als"))
    live.look()
    assert client.get("/health/ready").json()["status"] == "ready"
    assert client.get("/recommend?user=u001").json() != before
    assert "recembed_degraded 0.0" in client.get("/metrics").text


def test_a_refused_run_is_not_read_again_at_every_look_but_in_the_end(link, made, broken):
    live = live_of(link(made("item2vec")))
    link(broken)
    for _ in range(5):
        live.look()
    assert counted(live, "failed") == 1
    shutil.rmtree(broken)
    shutil.copytree(made("als"), broken)  # repaired: its identity is the same
    live._again = 0.0
    live.look()
    assert live.trouble is None
    assert counted(live, "ok") == 1


def test_a_run_that_breaks_where_it_lies_is_told_until_it_is_whole_again(copied):
    run = copied("item2vec")
    live = live_of(run)
    model = next(run.glob("model.*"))
    whole = model.read_bytes()
    model.write_bytes(whole[:-9])
    assert not live.reload()
    for _ in range(3):
        live.look()
    assert live.trouble
    model.write_bytes(whole)
    live._again = 0.0
    live.look()
    assert live.trouble is None


def test_going_back_to_the_run_that_answers_ends_the_trouble(link, made, broken):
    live = live_of(link(made("item2vec")))
    link(broken)
    live.look()
    assert live.trouble
    link(made("item2vec"))
    live.look()
    assert live.trouble is None
    assert counted(live, "ok") == 0


def test_quick_questions_are_answered_at_once_and_slow_ones_in_a_thread(serve, run, monkeypatch):
    asked_in, recommend = [], Recommender.recommend

    def noted(self, *args, **kwargs):
        asked_in.append(threading.current_thread().name)
        return recommend(self, *args, **kwargs)

    live = live_of(run)
    monkeypatch.setattr(Recommender, "recommend", noted)
    with ThreadPoolExecutor(1, "search") as pool:
        client = serve(None, live=live, pool=pool)
        for live.quick, query in [(True, ""), (False, ""), (True, "&because=1")]:
            assert client.get(f"/recommend?user=u001{query}").status_code == 200
    assert [name.startswith("search") for name in asked_in] == [False, True, True]


def test_a_call_reloads_a_run_that_is_the_same(run):
    live = live_of(run)
    before, done = live.recommender, threading.Event()
    warmed = live._warmed
    live._warmed = lambda: [warmed(), done.set()][0]
    end = live.watch(1000)
    live.call()
    assert done.wait(60)
    end()
    assert live.recommender is not before
    assert counted(live, "ok") == 1


def test_the_watch_follows_a_link_by_itself(link, made):
    live = live_of(link(made("als")))
    first = live.recommender.state.identity
    end = live.watch(0.01)
    link(made("item2vec"))
    for _ in range(3000):
        if live.recommender.state.identity != first:
            break
        threading.Event().wait(0.01)
    end()
    assert live.recommender.state.identity != first
    assert not [one for one in threading.enumerate() if one.name == "watch"]


def test_a_run_that_is_broken_at_first_is_an_error(broken):
    with pytest.raises(RunError, match="restore it"):
        live_of(broken)
