"""Advice over HTTP: on demand always, by itself only where it has proven itself on the team's own cases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.uncertainty.advice import SIGNS
from sam_infer.uncertainty.warning_skill import Risk, WarningSkill
from samlabel.loop.warning_skill import MeasuredSkill, skill_file
from tests.samlabel.conftest import Server

PLACE = [[12, 12, 10]]


@pytest.fixture
def worth(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MeasuredSkill:
    """What is known of warnings on the server's studies, in a home of its own."""
    monkeypatch.setenv("SAMLABEL_HOME", str(tmp_path))
    return MeasuredSkill(server.app.datastore(), server.app.source)


def proven(server: Server, threshold: float) -> WarningSkill:
    flat = (0.0,) * len(SIGNS)
    risk = Risk((0.0, *flat), flat, (1.0,) * len(SIGNS))  # one half for every answer
    return WarningSkill(server.network.weights_id, "l", risk, threshold, 0.9, 0.8, 1.0, answers=40, bad=10)


def advice(server: Server, wish: str, **params: Any) -> dict[str, Any]:
    answer = server.click("l", foreground=PLACE, advice=wish, **params)
    assert answer.status == 200, answer.facts
    return dict(answer.facts["advice"])


def test_a_warning_is_said_only_where_it_has_proven_itself(server: Server, worth: MeasuredSkill) -> None:
    told = advice(server, "doubt")
    assert told["shown"] is False and "too few accepted cases" in told["why"]
    file = skill_file(server.app.source)
    proven(server, 0.4).write(file)
    told = advice(server, "doubt")
    assert told["shown"] and told["warn"] and told["risk"] == 0.5
    assert told["sentence"].startswith("Take care: this point matters: ") and len(told["edge"]) == 3
    proven(server, 0.6).write(file)
    assert "sentence" not in advice(server, "doubt")
    replace(proven(server, 0.4), network="another").write(file)
    assert advice(server, "doubt")["shown"] is False  # of another network nothing is known


def test_where_next_is_told_on_demand_and_encodes_nothing(server: Server, worth: MeasuredSkill) -> None:
    plain = server.click("l", foreground=PLACE)
    before = server.network.encodes
    told = advice(server, "next")
    assert server.network.encodes == before
    assert "cure" in told or "nothing seems wrong" in told["sentence"]
    if "cure" in told:
        assert len(told["cure"]["voxel"]) == 3 and told["cure"]["voxel"][2] == plain.facts["slice"]
    refused = server.click("l", foreground=PLACE, advice="perhaps")
    assert refused.status == 422 and refused.facts["field"] == "advice"


def test_the_team_s_cases_are_measured_while_nobody_clicks(server: Server, worth: MeasuredSkill) -> None:
    serving = server.app.serving
    worth.renew(serving, lambda: False)
    assert worth.known(serving.predictor) is None  # the ledger of this home is empty
    label = Path(server.app.datastore().get_label_uri("l", "final"))
    server.app.ledger.accept("l", label, {"labels": {"1": "organ"}, "reader": "anna"})
    worth.renew(serving, lambda: False)
    found = worth.known(serving.predictor)
    assert found is not None and found.answers > 0 and not np.isnan(found.auroc)
    written = skill_file(server.app.source).stat().st_mtime_ns
    worth.renew(serving, lambda: False)  # nothing has changed
    assert skill_file(server.app.source).stat().st_mtime_ns == written
