"""Thousands of generated requests against a real server: answered as documented, logins kept, memory given back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from tests.accept.fuzzer import fuzz
from tests.accept.result_rows import ResultRows
from tests.accept.server import ServerProcess, two_images
from tests.client.stations import free_port
from tests.realm import ALL_ROLES, realm, token

pytestmark = [pytest.mark.accept, pytest.mark.timeout(3600)]

FUZZ = ResultRows("fuzz", "pytest -m accept tests/accept/test_fuzz.py")

REQUESTS = 2000
EXAMPLES, FEW = 60, 5  # per operation, of about fifty
DOCUMENTED = "status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance"
CHECKS = (
    f"not_a_server_error,{DOCUMENTED},unsupported_method,allow_header_conformance,negative_data_rejection,"
    "use_after_free,missing_required_header"
)
BACK_MB, REST_S = 150, 30

# What the OpenAPI document asks no login for; the last one is for whoever comes from this machine itself.
OPEN = {"/ready", "/health", "/auth/", "/auth/token", "/metrics"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """With two small images, and idle."""
    process = ServerProcess(two_images(tmp_path / "studies"), tmp_path / "home")
    process.start()
    yield process
    process.stop()


def test_generated_requests(server: ServerProcess, tmp_path: Path) -> None:
    server.click("a", {"foreground": [[4, 4, 4]]})
    server.have_readers_loaded(tmp_path)
    started, idle = time.time(), server.memory_mb()
    run = fuzz(server.address, tmp_path, CHECKS, EXAMPLES)
    high = server.memory_mb("VmHWM")
    time.sleep(REST_S)
    left = server.memory_mb()
    row = {"what": "generated requests", "requests": run.requests, "answers": run.answers, "failures": run.failures}
    row |= {"answers_5xx": run.answers.get("5xx", 0), "connections_reset": run.answers.get("none", 0)}
    row |= {"paths_in_answers": run.naming(server.places()), "mb_idle": idle, "mb_highest": high}
    FUZZ.add(row | {"mb_after_30s": left}, started)
    assert run.requests >= REQUESTS and not run.failures, run.printed[-6000:]
    assert (row["answers_5xx"], row["connections_reset"], row["paths_in_answers"]) == (0, 0, 0)
    assert left - idle < BACK_MB and server.client.get("/info/").status_code == 200


def test_no_route_ignores_that_nobody_is_logged_in(tmp_path: Path) -> None:
    started, port, key = time.time(), free_port(), generate_private_key(65537, 2048)
    settings = {"MONAI_LABEL_AUTH_ENABLE": "true", "MONAI_LABEL_AUTH_REALM_URI": f"http://127.0.0.1:{port}/realm"}
    process = ServerProcess(two_images(tmp_path / "studies"), tmp_path / "home", environment=settings)
    (login,) = token(key, *ALL_ROLES).items()
    process.client.headers.update([login])
    with realm(port, key):
        process.start()
        try:
            document = process.client.get("/openapi.json").json()
            told = f"Authorization: {login[1]}"  # by this name, or the fuzzer does not leave it out to see what happens
            run = fuzz(process.address, tmp_path, f"ignored_auth,not_a_server_error,{DOCUMENTED}", FEW, "-H", told)
        finally:
            process.stop()
    operations = [(path, told) for path, found in document["paths"].items() for told in found.values()]
    unguarded = {path for path, told in operations if not all(told["security"] or [{}])}
    row = {"what": "generated requests, logins on", "requests": run.requests, "answers": run.answers}
    FUZZ.add(row | {"failures": run.failures, "routes_without_login": sorted(unguarded)}, started)
    assert not run.failures and unguarded == OPEN, run.printed[-6000:]
    assert run.answers.get("2xx", 0) > 50, "the token was not accepted"
