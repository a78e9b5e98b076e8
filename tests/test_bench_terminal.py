"""The benchmark's terminal, percentile and interval against plain reckoning."""

import os
import subprocess
import sys
from statistics import median

import pytest

from investigator.commands.benchmarks.report import median_interval, percentile, ratio_figures
from investigator.commands.benchmarks.start import kill
from investigator.commands.benchmarks.terminal import Terminal
from investigator.errors import BackendError

ECHO = "import sys; print('\\x1b[1mre\\x1b[0mady', flush=True); print('got', sys.stdin.readline(), flush=True); input()"


def test_text_is_found_through_escapes_and_keys_arrive() -> None:
    with Terminal([sys.executable, "-c", ECHO], os.environ) as terminal:
        assert terminal.wait_for(rb"ready") > 0
        terminal.send("hello\n")
        terminal.wait_for(rb"got hello")


def test_a_program_that_ends_is_a_sentence() -> None:
    program = [sys.executable, "-c", "print('gone')"]
    with Terminal(program, os.environ) as terminal, pytest.raises(BackendError, match="ended: gone"):
        terminal.wait_for(rb"never")


def test_percentile_is_the_smallest_value_that_covers_the_share() -> None:
    values = [float(value) for value in range(1, 101)]
    for share in (0.01, 0.5, 0.95, 1.0):
        got = percentile(values, share)
        assert sum(value <= got for value in values) >= share * 100
        assert sum(value < got for value in values) < share * 100


def test_the_interval_holds_the_median_and_is_the_same_each_time() -> None:
    values = [1.0, 2.0, 3.0, 5.0, 8.0, 13.0]
    low, high = median_interval(values)
    assert low <= median(values) <= high
    assert (low, high) == median_interval(values)


def test_a_ratio_is_taken_pair_by_pair() -> None:
    ratio, ours, theirs = ratio_figures("a", [(2.0, 1.0), (9.0, 3.0), (4.0, 1.0)], "<= 3", "b")
    assert (ratio.name, ratio.value, ratio.target, ratio.compared_with) == ("a_ratio", 3.0, "<= 3", "b")
    assert (ours.value, theirs.value) == (4.0, 1.0)


def test_killing_a_backend_does_not_wait_for_ever_for_a_child_or_another_process() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    kill(child.pid)
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)
    kill(child.pid)
    assert child.stdin is not None
    child.stdin.close()
    child.returncode = 0
