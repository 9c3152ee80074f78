"""The line that says what is being done: on terminals only, after a second, removed at the end."""

import io
import time
from types import SimpleNamespace

import pytest

from friedel.runtime import progress
from friedel.runtime.limits import check_time
from friedel.runtime.progress import Stage, StatusLine
from friedel.runtime.threads import in_stretches


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch):
    stream = Terminal()
    # pytest replaces sys.stderr itself between fixture and test
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=stream))
    for name, seconds in (("DELAY", 0.05), ("INTERVAL", 0.02)):
        monkeypatch.setattr(progress, name, seconds)
    return stream


def test_a_long_stage_is_shown_and_removed(terminal):
    line = StatusLine()
    line.is_wanted = True
    with line.stage("reading a.pdb"):
        time.sleep(0.3)
    text = terminal.getvalue()
    assert "\rreading a.pdb: 0 s" in text
    assert text.endswith("\r" + " " * len("reading a.pdb: 0 s") + "\r")


def test_a_short_stage_is_not_shown(terminal):
    line = StatusLine()
    line.is_wanted = True
    with line.stage("reading"):
        pass
    assert terminal.getvalue() == ""


def test_nothing_in_a_pipe_or_unless_wanted(monkeypatch, terminal):
    with StatusLine().stage("reading"):
        time.sleep(0.15)
    assert terminal.getvalue() == ""
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=(pipe := io.StringIO())))
    line = StatusLine()
    line.is_wanted = True
    with line.stage("reading"):
        time.sleep(0.15)
    line.pin("compiling")
    assert pipe.getvalue() == ""


def test_the_time_left_of_work_whose_time_is_predicted():
    stage = Stage("direct summation", expected=100.0, done=25.0)
    stage.since = time.perf_counter() - 10.0
    assert stage.line() == "direct summation: 25%, about 30 s left"
    stage.done = 1.0  # the first piece has taken as long as a thread needs to start
    assert stage.line() == "direct summation: 0 s"
    stage.done = 120.0  # the prediction was too short
    assert stage.line() == "direct summation: 0 s"


def test_work_in_stretches_tells_how_much_is_done():
    """Pieces of all threads add up to the predicted time, whatever their size."""
    with progress.stage("direct summation") as now:
        for threads in (1, 2):
            check_time(10.0 / threads, "a sum")
            assert (now.expected, now.done) == (10.0 / threads, 0.0)
            in_stretches(lambda i, j: None, 1000, threads, seconds=10.0)
            assert now.done == pytest.approx(10.0 / threads)
            in_stretches(lambda i, j: None, 10, threads, seconds=0.1)  # too short to be divided
            assert now.done == pytest.approx(10.1 / threads)


def test_items_are_counted():
    seen = []
    with progress.stage("fitting") as now:
        for item in progress.counted(["a", "b"]):
            seen.append((item, now.text))
        assert now.text == "fitting"
    assert seen == [("a", "fitting, 1 of 2"), ("b", "fitting, 2 of 2")]


def test_what_is_pinned_stays_until_it_is_over(terminal):
    line = StatusLine()
    line.is_wanted = True
    with line.stage("calculating F"):
        line.pin("compiling kernels, once: 1 of 3")
        time.sleep(0.2)
        assert "calculating" not in terminal.getvalue()
        line.pin("")
        time.sleep(0.2)
        assert "calculating F" in terminal.getvalue()
