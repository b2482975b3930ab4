"""Two thousand generated requests and the whole corpus of hostile files against a real server; memory comes back."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from sam_infer.imaging.image_file import write_image
from sam_infer.imaging.volume import Volume
from sam_trainer.synthetic.patients import grid
from samlabel.access.uploads import IMAGE_SUFFIXES, LABEL_SUFFIXES
from tests.accept.result_rows import ResultRows
from tests.accept.server import ServerProcess
from tests.hostile.corpus import corpus

pytestmark = pytest.mark.accept

FUZZER = Path(__file__).parents[2] / ".venv.fuzz" / "bin" / "schemathesis"
HOSTILE = ResultRows("hostile", "pytest -m accept tests/accept/test_fuzz.py")

SEED = 22
REQUESTS, FILES = 2000, 200
EXAMPLES = 60  # per operation, of about fifty
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance,unsupported_method"
)
MOST_MB, BACK_MB, REST_S = 200, 150, 30
CLICK = {"params": json.dumps({"foreground": [[4, 4, 4]]})}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """With two small images, and idle."""
    noise = np.random.default_rng(0).integers(-100, 200, (32, 32, 8), dtype=np.int16)
    for name in ("a", "b"):
        write_image(Volume(noise, grid((32, 32, 8), (1, 1, 3))), tmp_path / "studies" / f"{name}.nii.gz")
    process = ServerProcess(tmp_path / "studies", tmp_path / "home")
    process.start()
    process.client.post("/infer/sam_2d?image=a", data=CLICK)
    yield process
    process.stop()


def mb(server: ServerProcess) -> float:
    return server.memory_bytes() / 2**20


def test_generated_requests(server: ServerProcess, tmp_path: Path) -> None:
    if not FUZZER.exists():
        pytest.skip("needs the environment .venv.fuzz: make accept")
    started, idle = time.time(), mb(server)
    told, traffic = tmp_path / "told.json", tmp_path / "traffic.yaml"
    command = [str(FUZZER), "run", f"{server.client.base_url}/openapi.json".replace("//openapi", "/openapi")]
    command += ["--seed", str(SEED), "--max-examples", str(EXAMPLES), "--checks", CHECKS, "--workers", "1"]
    command += [
        "--continue-on-failure",
        "--no-shrink",
        "--suppress-health-check",
        "all",
        "--phases",
        "coverage,fuzzing",
    ]
    command += ["--generation-database", "none", "--report-json-path", str(told), "--report-vcr-path", str(traffic)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.exists(), done.stdout[-2000:] + done.stderr[-2000:]
    found: dict[str, Any] = json.loads(told.read_text())
    answers = traffic.read_text()
    time.sleep(REST_S)
    left = mb(server) - idle
    paths = sum(answers.count(str(place)) for place in (server.home, server.studies))
    failures = {failure["title"]: failure["count"] for failure in found["failures"]}
    row = {"what": "generated requests", "requests": found["test_cases"]["generated"], "failures": failures}
    row |= {"errors": found["errors"], "paths_in_answers": paths, "mb_above_idle_after_30s": round(left)}
    HOSTILE.add(row, started)
    assert row["requests"] >= REQUESTS and not failures and not found["errors"] and not paths, done.stdout[-6000:]
    assert left < BACK_MB and server.process is not None and server.process.poll() is None


def test_hostile_files(server: ServerProcess) -> None:
    started, idle = time.time(), mb(server)
    sent, faults, resets, paths, slowest, highest = 0, 0, 0, 0, 0.0, 0.0
    for file in corpus():
        for method, address, part, suffixes in (
            ("PUT", "/datastore/image?image=hostile", "file", IMAGE_SUFFIXES),
            ("PUT", "/datastore/label?image=a&tag=hostile", "label", LABEL_SUFFIXES),
            ("POST", "/infer/sam_2d", "file", IMAGE_SUFFIXES),
        ):
            begun, data = time.perf_counter(), CLICK if method == "POST" else {}
            try:
                files = {part: (file.file_name, file.content)}
                reply = server.client.request(method, address, files=files, data=data)
            except httpx.TransportError:
                resets += 1
                continue
            sent += 1
            faults += reply.status_code >= 500 or (reply.status_code == 200 and file.must_fail)
            paths += str(server.home.parent) in reply.text
            if reply.status_code == 200 and part == "file" and method == "PUT":
                server.client.delete("/datastore/image?id=hostile")
            if reply.status_code != 200 and file.suffix in suffixes:
                slowest = max(slowest, time.perf_counter() - begun)
            highest = max(highest, mb(server) - idle)
    time.sleep(REST_S)
    left = mb(server) - idle
    row = {"what": "hostile files", "files": len(corpus()), "requests": sent, "answers_5xx_or_accepted": faults}
    row |= {"connections_reset": resets, "paths_in_answers": paths, "slowest_refusal_s": round(slowest, 2)}
    HOSTILE.add(row | {"mb_above_idle": round(highest), "mb_above_idle_after_30s": round(left)}, started)
    assert len(corpus()) >= FILES and (faults, resets, paths) == (0, 0, 0)
    assert highest < MOST_MB and left < BACK_MB
