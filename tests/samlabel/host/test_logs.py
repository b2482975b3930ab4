"""A start that fails is a sentence in the web server's log."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from samlabel.errors import ConfigError
from samlabel.host.logs import starting_in_words


@pytest.fixture
def web_server() -> Iterator[logging.Logger]:
    logger = logging.getLogger("uvicorn.error")
    before = list(logger.filters)
    yield logger
    logger.filters[:] = before


def test_a_refused_start_is_a_sentence(web_server: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """Under the host's own command line it was a page of traceback."""
    with pytest.raises(ConfigError), starting_in_words():
        raise ConfigError("labels must not be empty", "labels")
    with caplog.at_level(logging.INFO, "uvicorn.error"):
        web_server.error("Traceback (most recent call last):\n  File ...")
        web_server.error("Application startup failed. Exiting.")
    assert [record.getMessage() for record in caplog.records] == [
        "the app does not start: labels must not be empty",
        "Application startup failed. Exiting.",
    ]
