"""The typed way in to the host: what the types promise is there."""

from __future__ import annotations

import pytest

from samlabel.host.handle import (
    RunningApp,
    archive_settings,
    infer_tasks,
    running_app,
    scoring_methods,
    settings,
    strategies,
    told_by,
    trainers,
)
from tests.samlabel.conftest import Server


def test_the_app_is_what_routes_ask_for(server: Server) -> None:
    assert isinstance(server.app, RunningApp)
    assert running_app() is server.app


def test_every_part_of_the_app_is_found(server: Server) -> None:
    told = server.app.info()
    assert set(infer_tasks()) == set(told["models"])
    assert set(trainers()) == set(told["trainers"])
    assert set(strategies()) == set(told["strategies"])
    assert set(scoring_methods()) == set(told["scoring"])


def test_half_a_login_is_none_and_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "MONAI_LABEL_DICOMWEB_USERNAME", "orthanc")
    assert archive_settings().login is None
    monkeypatch.setattr(settings, "MONAI_LABEL_DICOMWEB_PASSWORD", "secret")
    assert archive_settings().login == ("orthanc", "secret")
    assert "secret" not in repr(archive_settings())


def test_an_exception_of_the_host_says_its_kind_and_sentence() -> None:
    from monailabel.interfaces.exception import ImageNotFoundException, MONAILabelError, MONAILabelException

    error = MONAILabelException(error=MONAILabelError.INVALID_INPUT, msg="no such model")
    assert told_by(error) == (MONAILabelError.INVALID_INPUT, "no such model")
    assert told_by(ImageNotFoundException("no such image")) == (MONAILabelError.APP_ERROR, "no such image")
