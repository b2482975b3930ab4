"""Next cases over HTTP: four readers, four cases, with reasons; nothing that was just labelled, no model on the way."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.uncertainty.case_score import CaseScore
from sam_trainer.active.benefit import Benefit
from sam_trainer.active.policy import SelectionPolicy
from sam_trainer.active.score_table import Scored, ScoreTable
from sam_trainer.active.served import ServedCases
from sam_trainer.studies import Studies
from samlabel.store.leases import NAME
from samlabel.tasks.scoring_task import parse
from tests.processes import wait_until
from tests.samlabel.conftest import Server

CASES = tuple(f"pool{n}" for n in range(6))
READERS = ("anna", "bert", "carl", "dora")


@pytest.fixture
def pool(server: Server, phantom: tuple[Volume, Mask], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Six cases without a label, not scored; the tables of this server's home, empty."""
    monkeypatch.setenv("SAMLABEL_HOME", str(server.home))
    vars(server.app).pop("selection", None)  # another test's home
    rng = np.random.default_rng(0)
    for name in CASES:
        noise = rng.integers(0, 9, phantom[0].array.shape).astype(np.int16)
        write_image(Volume(phantom[0].array + noise, phantom[0].geometry, "CT"), server.studies / f"{name}.nii.gz")
    server.app.datastore().refresh()
    yield
    for name in CASES:
        server.client.delete(f"/datastore/?id={name}")
    (server.studies / NAME).unlink(missing_ok=True)
    (server.home / "scores").exists() and ScoreTable.of(Studies.of(server.studies))._file.unlink(missing_ok=True)
    server.app.selection.folder.joinpath("worth.json").unlink(missing_ok=True)
    vars(server.app).pop("selection", None)


def ask(server: Server, strategy: str = "sam_hybrid", reader: str = "anna", **body: Any) -> Any:
    return server.client.post(f"/activelearning/{strategy}", json=body, headers={"x-samlabel-reader": reader})


def put_scores(server: Server, **values: float | None) -> None:
    """Scores as scoring would have kept them; vectors point in different directions."""
    table = ScoreTable.of(Studies.of(server.studies))
    for number, (case, value) in enumerate(values.items()):
        looks = tuple(float(n == number) for n in range(8))
        score = CaseScore(value, {"object": value or 0.0}, {}, (11, 7), 100.0 * (value or 0), looks, looks)
        table.put(Scored.of(case, score, adapter="none", method="combined", seed=0, when="2026-01-01", image="x"))


def leave_all(server: Server) -> None:
    (server.studies / NAME).unlink(missing_ok=True)


def test_four_readers_at_once_get_four_cases(server: Server, pool: None) -> None:
    put_scores(server, **{name: 0.1 * n for n, name in enumerate(CASES, 1)})
    with ThreadPoolExecutor(4) as readers:
        answers = list(readers.map(lambda who: ask(server, reader=who).json(), READERS))
    ids = [answer["id"] for answer in answers]
    assert len(set(ids)) == 4 and set(ids) <= {*CASES} | set(server.app.datastore().get_unlabeled_images())


def test_the_answer_says_what_and_why(server: Server, pool: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.app.selection, "_policy", SelectionPolicy(control_share=0.0))
    put_scores(server, **{**dict.fromkeys(CASES, 0.01), "pool3": 0.99})
    answer = ask(server, "sam_uncertain", seed=0).json()  # its draw is noisy on purpose
    assert answer["id"] == "pool3" and answer["score"] == 0.99 and answer["slices"] == [11, 7]
    assert answer["adapter"] == "none" and answer["chosen_by"] == "sam_uncertain" and answer["arm"] == "active"
    assert "unsure" in answer["why"] and answer["scored"] is True
    (served,) = [s for s in ServedCases.of(Studies.of(server.studies)).all() if s.case == "pool3"][-1:]
    assert (served.reader, served.asked, served.score) == ("anna", "sam_uncertain", 0.99)


def test_an_unscored_pool_is_answered_by_the_fallback_which_says_so(server: Server, pool: None) -> None:
    for strategy in ("sam_hybrid", "sam_badge", "sam_classbalanced", "sam_random_fg"):
        leave_all(server)
        answer = ask(server, strategy).json()
        assert answer["id"] and answer["score"] is None and answer["scored"] is False
        assert "no case is scored yet" in answer["why"] and answer["chosen_by"] == "random"


def test_cases_that_are_embedded_but_not_scored_are_spread(server: Server, pool: None) -> None:
    put_scores(server, **dict.fromkeys(CASES))
    answer = ask(server, "sam_uncertain").json()
    assert answer["id"] in CASES and answer["chosen_by"] in ("sam_diverse", "random")


def test_random_gets_what_the_setting_says_and_says_it(server: Server, pool: None) -> None:
    put_scores(server, **{name: 0.1 * n for n, name in enumerate(CASES, 1)})
    for who in (*READERS, "emil", "fred"):  # one of them may be of the control arm
        leave_all(server)
        answer = ask(server, "random", who).json()
        if answer["arm"] == "active":
            assert answer["chosen_by"] == "sam_hybrid" and "'random' gets sam_hybrid" in answer["why"]
            return
    pytest.fail("six readers were all of the control arm")


def test_a_label_takes_its_case_away_at_once(
    server: Server, pool: None, phantom: tuple[Volume, Mask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the store's own list is old, as an archive's is for a minute."""
    put_scores(server, **{name: 0.5 for name in CASES})
    before = list(server.app.datastore().get_unlabeled_images())
    first = ask(server).json()["id"]
    file = write_mask(Mask(np.ones(phantom[1].array.shape, np.uint8), phantom[0].geometry), tmp_path / "label.nrrd")
    with file.open("rb") as label:
        saved = server.client.put(
            f"/datastore/label?image={first}&tag=final",
            files={"label": ("label.nrrd", label)},
            headers={"x-samlabel-reader": "anna"},
        )
    assert saved.status_code == 200, saved.text
    monkeypatch.setattr(server.app._store, "get_unlabeled_images", lambda *_: before)
    offered = [ask(server, reader=who).json().get("id") for who in (*READERS, "emil", "fred")]
    assert first not in offered


def test_where_choosing_does_not_help_cases_are_drawn_and_it_is_said(server: Server, pool: None) -> None:
    put_scores(server, **{name: 0.5 for name in CASES})
    Benefit("no gain", "no gain: +0.010 (95 % CI -0.200 to +0.220, 6 pairs)", 0.01, -0.2, 0.22, 4, 6).write(
        server.app.selection.folder
    )
    answers = []
    for number in range(12):
        leave_all(server)
        answers.append(ask(server, reader=f"reader{number}").json())
    assert all("has not helped here so far (no gain: +0.010" in answer["why"] for answer in answers)
    drawn = [answer["chosen_by"] == "sam_random_fg" and answer["arm"] == "control" for answer in answers]
    assert sum(drawn) >= 7 and all(d or a["arm"] == "active" for d, a in zip(drawn, answers, strict=True))


@pytest.mark.parametrize(
    ("strategy", "body", "status", "sentence"),
    [
        ("sam_best", {}, 404, "there is no strategy 'sam_best'; this server has sam_hybrid"),
        ("sam_hybrid", {"budget": 3}, 422, "unknown parameter 'budget'; known are"),
        ("sam_hybrid", {"seed": "many"}, 422, "seed must be a whole number, got 'many'"),
    ],
)
def test_refusals(server: Server, pool: None, strategy: str, body: dict[str, Any], status: int, sentence: str) -> None:
    answer = ask(server, strategy, **body)
    assert answer.status_code == status and sentence in answer.json()["detail"]


def test_no_model_runs_on_the_way(server: Server, pool: None, monkeypatch: pytest.MonkeyPatch) -> None:
    put_scores(server, **{name: 0.5 for name in CASES})
    monkeypatch.setattr(type(server.app), "serving", property(lambda _: pytest.fail("a model was asked for")))
    for strategy in server.client.get("/info/").json()["strategies"]:
        leave_all(server)
        assert ask(server, strategy).json()["id"]


@pytest.mark.slow
def test_scores_are_made_on_demand_and_kept(server: Server, pool: None) -> None:
    """By the host's own task, in this process; a second run finds nothing to do, as after a restart."""
    done = server.client.post("/scoring/sam_uncertainty?run_sync=true", json={})
    assert done.status_code == 200, done.text
    known = ScoreTable.of(Studies.of(server.studies)).all()
    assert set(CASES) <= set(known) and all(known[name].looks and known[name].adapter == "none" for name in CASES)
    again = server.client.post("/scoring/sam_uncertainty?run_sync=true", json={})
    assert again.status_code == 200 and ScoreTable.of(Studies.of(server.studies)).all() == known
    answer = ask(server).json()
    assert answer["id"] in known and "no case is scored yet" not in answer["why"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"measure": "entropy"}, "method must be one of "),
        ({"measure": "adapters"}, "compares the last promoted adapters, at least 2; of tiny there are 0"),
        ({"cases": 3}, "unknown parameter 'cases'"),
        ({"force": "perhaps"}, "force must be true or false"),
    ],
)
def test_scoring_refuses_before_a_process_is_started(server: Server, body: dict[str, Any], sentence: str) -> None:
    answer = server.client.post("/scoring/sam_uncertainty", json=body)
    assert answer.status_code == 422 and sentence in answer.json()["detail"]


def test_what_the_host_adds_before_it_starts_a_process_is_no_fault() -> None:
    """Every scoring in a process of its own ended at once: "unknown parameter 'gpus'"."""
    assert parse({"method": "sam_uncertainty", "gpus": "all"}) == (None, False)


@pytest.mark.slow
def test_the_background_scores_what_is_new_and_stops(server: Server, pool: None) -> None:
    from samlabel.loop.background_scoring import BackgroundScoring

    table = ScoreTable.of(Studies.of(server.studies))
    background = BackgroundScoring(server.app._case_scoring, server.app._has_labels, most=2, seconds=0.05)
    background.start()
    try:
        wait_until(lambda: set(CASES) <= set(table.all()), "every case is scored", every_s=0.2)
    finally:
        background.stop()
    background.stop()  # twice is once
