"""What a bench has done is kept, and read back as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_trainer.errors import TrainingError
from sam_trainer.reports.journal import Journal, journal_of
from sam_trainer.reports.table import Observation, plain_observations, read_observations

ORIGIN = {"command": "samlabel bench clicks --seed 0", "commit": "abc"}


def never() -> None:
    raise AssertionError("this unit is done")


def test_a_unit_is_measured_once_and_read_back_as_json_in_either_session(tmp_path: Path) -> None:
    path = journal_of(tmp_path / "clicks.json")
    assert path.name == "clicks.json.journal"
    first = Journal(path, ORIGIN)
    value = {"dice": np.float32(0.1), "n": np.int64(3), "pair": (1, 2), "none": float("nan")}
    told = first.unit("a", lambda: value)
    assert told["pair"] == [1, 2] and told["n"] == 3 and np.isnan(told["none"])
    again = Journal(path, ORIGIN, resume=True)
    assert again.unit("a", never)["dice"] == told["dice"] == float(np.float32(0.1))
    assert again.knows("a") and not again.knows("b") and again.seconds_before >= 0
    again.close()
    assert not path.exists()


def test_progress_counts_the_units_of_this_session(tmp_path: Path) -> None:
    path, told = tmp_path / "x.journal", []
    Journal(path, ORIGIN).unit("a", lambda: 1)
    journal = Journal(path, ORIGIN, resume=True, told=lambda words, done, of: told.append((words, done, of)))
    journal.expect(["a", "b", "c"])
    for key in ("a", "b", "c"):
        journal.unit(key, lambda: 2)
    assert told == [("b", 0, 2), ("b", 1, 2), ("c", 1, 2), ("c", 2, 2)]


def test_another_command_or_commit_does_not_go_on_and_no_resume_begins_again(tmp_path: Path) -> None:
    path = tmp_path / "x.json.journal"
    with pytest.raises(TrainingError, match=r"no interrupted run beside x\.json"):
        Journal(path, ORIGIN, resume=True)
    Journal(path, ORIGIN).unit("a", lambda: 1)
    with pytest.raises(TrainingError, match="another command and commit"):
        Journal(path, {"command": "other", "commit": "def"}, resume=True)
    assert Journal(path, ORIGIN).unit("a", lambda: 2) == 2


def test_observations_survive_json(tmp_path: Path) -> None:
    seen = [Observation("s", "c", "liver", "CT", True, (("clicks", 1), ("method", "tiny")), {"dice": 0.1 + 0.2})]
    found = Journal().unit("one", lambda: plain_observations(seen))
    assert read_observations(found) == seen
