"""How projects are paired and summed up, without playing any; tests/accept plays them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from sam_trainer.bench.learning.project import RoundResult
from sam_trainer.bench.learning.projects import LoopOrder, Played, folder_roles, summary
from sam_trainer.bench.learning.projects_run import outcome, sentences
from sam_trainer.errors import TrainingError
from sam_trainer.labels.round import part_of
from sam_trainer.synthetic.lesion_patients import Patient
from sam_trainer.synthetic.pools import CANDIDATE, PARTS, TEST, PoolCase, write_pool


def played(strategy: str, seed: int, clicks: tuple[float, ...], pool: str = "imbalanced") -> Played:
    rounds = tuple(
        RoundResult(n, 3 * n, 9 * n, 20 * n, 2.0 * n, value, 0.8, n > 0, (f"case{n}",), 1.0)
        for n, value in enumerate(clicks)
    )
    return Played(pool, strategy, seed, rounds, 10.0)


PROJECTS = [
    *(played("sam_hybrid", seed, (4.0, 2.0 + 0.01 * seed, 1.0)) for seed in range(5)),
    *(played("sam_random_fg", seed, (4.0, 3.0 + 0.02 * seed, 2.0)) for seed in range(5)),
]


def test_areas_are_paired_by_seed_and_judged_by_their_interval() -> None:
    rows = summary(PROJECTS, "sam_hybrid")
    (saved,) = [row for row in rows if row["measure"] == "clicks saved per case over cases"]
    assert saved["against"] == "sam_random_fg" and saved["n"] == 5 and saved["verdict"] == "gain"
    assert saved["mean"] == pytest.approx((3.5 + 2.5) / 2 - (3.0 + 1.5) / 2 + 0.5 * 0.01 * 2, abs=1e-6)
    assert saved["ci_low"] < saved["mean"] < saved["ci_high"]
    assert {row["measure"].split()[-1] for row in rows if "against" in row} == {"cases", "slices", "clicks", "minutes"}
    (fall,) = [row for row in rows if row["strategy"] == "sam_random_fg" and "against" not in row]
    assert (fall["first"], fall["last"], fall["mean"]) == (4.0, 2.0, 0.5)


def test_the_same_curves_are_no_gain_and_one_seed_has_no_interval(tmp_path: Path) -> None:
    same = [
        *PROJECTS[:5],
        *(played("sam_random_fg", one.seed, tuple(r.test_clicks for r in one.rounds)) for one in PROJECTS[:5]),
    ]
    assert {row["verdict"] for row in summary(same, "sam_hybrid") if "against" in row} == {"no gain"}
    found = outcome([PROJECTS[0], PROJECTS[5]], LoopOrder())
    told = sentences(found)
    assert any("no gain, +0.75" in line for line in told) and any("one seed, no interval" in line for line in told)
    assert found.rows[0]["chosen"] == ["case0"] and found.rows[-1]["mean"] == 20.0
    assert "Does choosing cases pay?" in found.page.write(tmp_path, "loop").read_text()


def test_a_project_that_was_played_is_read_back() -> None:
    one = played("random", 3, (4.0, 2.5))
    assert Played.read(json.loads(json.dumps(asdict(one)))) == one


def test_a_folder_is_shared_out_by_seed_and_names_fit_their_parts(tmp_path: Path) -> None:
    cases = [PoolCase(f"scan{n}", CANDIDATE, Patient("node", (1, n))) for n in range(12)]
    folder = write_pool(cases, tmp_path / "mine")
    roles, other = folder_roles(folder, 0), folder_roles(folder, 1)
    assert sum(map(len, roles.values())) == 12 and len(roles[TEST]) == 4
    for role, found in roles.items():
        assert all(part_of(case.name) == PARTS[role] for case in found)
    assert [c.image for c in roles[TEST]] != [c.image for c in other[TEST]]
    assert len({case.image for found in roles.values() for case in found}) == 12
    few = write_pool(cases[:5], tmp_path / "few")
    with pytest.raises(TrainingError, match="5 labelled cases, at least 8 are needed"):
        folder_roles(few, 0)
