"""Who goes on in a contest, and for how long; nothing is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_trainer.errors import TrainingError
from sam_trainer.training.halving import TABLE_FILE, Halving, Runner, contest_lines, epochs_of_last, table_of

MINUTE = 60.0


def table(count: int, minutes: float = 10.0) -> Halving:
    return Halving(minutes * MINUTE, [Runner(f"m{n}", parameters=100 + n) for n in range(count)])


def turn(found: Halving, runner: Runner, dice: float, seconds: float | None = None, epochs: int = 2) -> None:
    now = found.begin(runner)
    now.seconds = found.share if seconds is None else seconds
    now.epochs, now.dice, now.over = runner.epochs + epochs, dice, True


def rung(found: Halving, seconds: float | None = None) -> list[str]:
    """Everybody has a turn; the later its name, the better it is."""
    for runner in found.waiting:
        turn(found, runner, 0.5 + int(runner.method[1:]) / 100, seconds)
    return [runner.method for runner in found.close()]


def test_the_better_half_goes_on_until_one_is_left() -> None:
    found = table(7)
    assert found.rungs == 4
    assert set(rung(found)) == {"m0", "m1", "m2"}
    assert rung(found) == ["m4", "m3"] and rung(found) == ["m5"]
    (last,) = found.running
    assert last.method == "m6" and found.rungs == found.rung + 1 == 4
    rows = found.facts()
    assert [row["method"] for row in rows[:3]] == ["m6", "m5", "m4"] and rows[0]["out"] == ""
    assert rows[1]["out"] == "out after rung 3: another was better" and rows[-1]["dice"] == [0.5]
    assert len(rows[0]["dice"]) == 3 and rows[0]["epochs"] == 6
    lines = contest_lines(rows)
    assert lines[0].startswith("m6: the last one in (106 parameters, 6 epochs, ") and "Dice 0.500)" in lines[-1]


def test_every_rung_has_an_equal_share_and_in_a_rung_everybody() -> None:
    found = table(4)
    assert found.share == pytest.approx(10 * MINUTE / 3 / 4)
    rung(found)
    assert found.share == pytest.approx(10 * MINUTE / 3 / 2)
    rung(found)
    assert found.share == pytest.approx(10 * MINUTE / 3)


def test_a_rung_that_took_longer_is_paid_by_the_later_ones_and_its_share_stays_while_it_is_under_way() -> None:
    found = table(4)
    share = found.share
    turn(found, found.runners[0], 0.5, seconds=3 * share)
    assert found.share == pytest.approx(share)
    rung(found, seconds=2.5 * MINUTE)
    assert found.spent == pytest.approx(7.5 * MINUTE + 3 * share)
    assert found.share == 0.0  # nothing is left: an epoch each, and it ends


def test_of_equals_the_smaller_goes_on() -> None:
    found = table(2)
    for runner in found.waiting:
        turn(found, runner, 0.7)
    assert [runner.method for runner in found.close()] == ["m1"]


def test_where_two_used_up_the_first_rung_nobody_else_begins() -> None:
    found = table(6)
    whole = 6 * found.share
    turn(found, found.runners[0], 0.5, seconds=0.6 * whole)
    assert not found.used_up
    turn(found, found.runners[1], 0.5, seconds=0.6 * whole)
    assert found.used_up


def test_the_last_one_has_what_is_left_and_its_rates_were_not_to_have_fallen_yet() -> None:
    found = table(2)
    rung(found, seconds=MINUTE)
    assert found.share == pytest.approx(8 * MINUTE)
    assert epochs_of_last(found, 0.4) == 2 + 16  # two a minute
    found.seconds = 2 * MINUTE  # all of it is used up
    assert epochs_of_last(found, 0.4) == 4  # of which the first 60 % are not fewer than two
    assert epochs_of_last(Halving(MINUTE, [Runner("alone")]), 0.4) == 0


def test_a_table_is_what_it_was(tmp_path: Path) -> None:
    assert table_of(tmp_path) is None
    found = table(3)
    rung(found)
    found.runners[0].out = "left out: a sentence"
    found.write(tmp_path)
    assert table_of(tmp_path) == found
    (tmp_path / TABLE_FILE).write_text('{"seconds": 1}')
    with pytest.raises(TrainingError, match=r"cannot be read.*start a new one"):
        table_of(tmp_path)
