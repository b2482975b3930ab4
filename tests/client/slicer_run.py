"""3D Slicer's client library on a station, from the first look to a stopped training, in the plugin's own order.

`MONAILabelClient` is the class that the plugin ships a copy of; parameters are those that the plugin sends.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from monailabel.client import MONAILabelClient
from monailabel.client.client import MONAILabelClientException

from sam_infer.imaging.image_file import read_image, read_mask
from sam_infer.imaging.volume import Mask
from tests.processes import HANG_S, wait_until

# Ends a reader's session at the server.
Logout = Callable[[], None]

# What the plugin adds to every request to segment.
EXTRAS = {"result_extension": ".nrrd", "result_dtype": "uint8", "label": "liver", "background": []}


@contextmanager
def slicer(address: str, folder: Path) -> Iterator[MONAILabelClient]:
    """The client; it leaves sockets and files to the garbage collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield MONAILabelClient(address, str(folder), client_id="slicer")
        gc.collect()


def open_next(client: MONAILabelClient, address: str, folder: Path) -> tuple[str, Path]:
    """Info, next sample, download: the case's id and its image."""
    info = client.info()
    assert {"sam_auto", "sam_2d", "sam_3d"} <= set(info["models"]) and "config" not in info
    assert set(info["trainers"]) == {"sam"} and isinstance(info["labels"], list)
    sample = client.next_sample("random", {"client_id": "slicer"})
    image = folder / "image.nii.gz"
    image.write_bytes(httpx.get(f"{address}/datastore/image?image={sample['id']}", timeout=HANG_S).content)
    return str(sample["id"]), image


def click_and_box(client: MONAILabelClient, case: str, image: Path, truth: Mask) -> str:
    """A click, then a box, on the liver's largest slice; the file of the last answer."""
    served, liver = read_image(image), truth.array == 1
    k = int(liver.sum(axis=(0, 1)).argmax())
    here = np.argwhere(liver[:, :, k])
    (i, j), low, high = here.mean(axis=0).round().astype(int), here.min(axis=0), here.max(axis=0)
    file = ""
    for prompt in (
        {"foreground": [[int(i), int(j), k]], "slice": k},
        # the plugin's roi: unsorted corners
        {"foreground": [], "roi": [int(v) for v in (high[0], low[0], low[1], high[1])] + [k, k]},
    ):
        file, facts = client.infer("sam_2d", case, {**EXTRAS, **prompt})
        mask = read_mask(file)
        assert facts["label_names"] == {"liver": 1} and mask.geometry.same_as(served.geometry)
        assert set(np.unique(np.nonzero(mask.array)[2])) == {k}
    overlap = 2 * (mask.array[:, :, k] & liver[:, :, k]).sum() / (mask.array[:, :, k].sum() + len(here))
    assert overlap > 0.6
    return str(file)


def submit(client: MONAILabelClient, case: str, file: str) -> None:
    """The label as the plugin stores it."""
    told = client.save_label(case, file, params={"label_info": [{"name": "liver", "idx": 1}]})
    assert told["image"] == case


def read_with_a_login(
    client: MONAILabelClient, case: str, folder: Path, truth: Mask, name: str, passwords: tuple[str, str], end: Logout
) -> None:
    """Nobody is told anything without a login; one that ends between click and submission costs another login only."""
    with pytest.raises(MONAILabelClientException):
        client.info()
    with pytest.raises(MONAILabelClientException):
        client.auth_token(name, "a wrong password")
    token = client.auth_token(name, passwords[0])
    client.update_auth(token)
    assert "sam_2d" in client.info()["models"]
    url = f"{client.get_server_url()}/datastore/image?image={case}"
    asked = {"headers": {"authorization": f"Bearer {token['access_token']}"}, "timeout": HANG_S}
    image = folder / "image.nii.gz"
    image.write_bytes(httpx.get(url, **asked).raise_for_status().content)
    file = click_and_box(client, case, image, truth)
    end()
    with pytest.raises(MONAILabelClientException):
        submit(client, case, file)
    client.update_auth(client.auth_token(name, passwords[1]))
    submit(client, case, file)


def train_and_stop(client: MONAILabelClient, options: dict[str, Any]) -> dict[str, Any]:
    """Start with the options page's values, watch as the plugin does, stop after an epoch; the last status."""
    assert not client.train_status(check_if_running=True)
    started = client.train_start("sam", options)
    assert started["status"] in ("SUBMITTED", "RUNNING")
    with pytest.raises(Exception, match="429"):
        wait_until(lambda: client.train_status(check_if_running=True), "a training runs", every_s=1.0)
        client.train_start("sam", options)
    wait_until(lambda: failed(client) or stats(client).get("epoch", 0) >= 1, "an epoch was trained", every_s=1.0)
    assert not failed(client), client.train_status()["details"]
    shown, status = stats(client), client.train_status()
    assert status["status"] == "RUNNING" and shown["total_epochs"] == 500 and "total_time" not in shown
    assert 0 < shown["best_metric"] <= 1 and shown["train"]["loss"] > 0
    progress = status["progress"]
    assert 0 < progress["percent"] < 100 and progress["eta_s"] > 0 and progress["stage"] == "training"
    stopped = client.train_stop()
    assert stopped["status"] == "STOPPED" and not client.train_status(check_if_running=True)
    status = client.train_status()
    assert status["status"] == "STOPPED" and status["progress"]["state"] == "stopped"
    assert "total_time" in stats(client)
    return dict(status["progress"])


def sessions(client: MONAILabelClient, image: Path) -> None:
    """An upload that is no case of the studies."""
    session = client.create_session(str(image))["session_id"]
    assert client.get_session(session)
    client.remove_session(session)


def stats(client: MONAILabelClient) -> dict[str, Any]:
    """What the plugin's progress bar is drawn from: the first entry of `train_stats`."""
    return dict(next(iter(client.info()["train_stats"].values())))


def failed(client: MONAILabelClient) -> bool:
    """Whether the training's process ended by itself."""
    return bool(client.train_status()["status"] == "ERROR")
