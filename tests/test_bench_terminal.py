"""The benchmark's terminal, percentile and interval against plain reckoning."""

import os
import sys
from statistics import median

import pytest

from investigator.commands.benchmarks.report import as_object, median_interval, percentile
from investigator.commands.benchmarks.terminal import Terminal
from investigator.errors import BackendError
from investigator.records import Figure

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


def test_the_printed_shape_names_the_machine_and_keeps_every_field() -> None:
    shown = as_object([Figure("a", 1.0, "ratio", ">= 1", (0.5, 1.5), "b")])
    assert set(shown["machine"]) >= {"processor", "cores", "memory_gib", "python"}
    row = {"name": "a", "value": 1.0, "unit": "ratio", "target": ">= 1", "interval": (0.5, 1.5), "compared_with": "b"}
    assert shown["figures"] == [row]
