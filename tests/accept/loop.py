"""One turn of the loop as a client takes it, over any connection: labels in, questions asked, labels that are wrong."""

from __future__ import annotations

import email
import itertools
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from sam_infer.imaging.image_file import read_mask, write_mask
from sam_infer.imaging.volume import Mask
from sam_trainer.labels.round import HELD_OUT, TRAIN, part_of

STRIP = 5

# Facts and mask per task.
Answers = dict[str, tuple[dict[str, Any], bytes]]


def names(part: str, count: int) -> list[str]:
    """The first names that the split puts into a part."""
    return list(itertools.islice((f"case{n}" for n in itertools.count() if part_of(f"case{n}") == part), count))


TAUGHT, JUDGES = names(TRAIN, 6), names(HELD_OUT, 3)


def save(client: httpx.Client, name: str, file: Path) -> list[str]:
    """As 3D Slicer does; the reasons for which the label is in quarantine."""
    told = {"label_info": [{"name": n, "idx": i} for i, n in enumerate(("disk", "ring", "core"), 1)], "client_id": "x"}
    reply = client.put(
        "/datastore/label",
        params={"image": name, "tag": "final"},
        files={"label": (file.name, file.read_bytes())},
        data={"params": json.dumps(told)},
    )
    assert reply.status_code == 200, reply.text
    return sorted({doubt["reason"] for doubt in reply.json().get("quarantine", [])})


def answers(client: httpx.Client) -> Answers:
    """What a reader gets of the network alone: a click on the ring, and labels without a click or an accepted case."""
    click, alone = {"foreground": [[95, 33, 0]]}, {"mode": "propose"}
    return {"sam_2d": _ask(client, "sam_2d", click), "sam_auto": _ask(client, "sam_auto", alone)}


def same_masks(one: Answers, other: Answers) -> bool:
    """Whether two sets of answers are equal, byte for byte, and of one adapter."""
    return all(
        mask == other[task][1] and facts["adapter"] == other[task][0]["adapter"] for task, (facts, mask) in one.items()
    )


def shuffled(label: Path, out: Path) -> Path:
    """The label's rows in another order, strip by strip: as much to learn from, and all of it wrong."""
    mask = read_mask(label)
    strips = np.split(mask.array, range(STRIP, mask.array.shape[1], STRIP), axis=1)
    order = np.random.default_rng(0).permutation(len(strips))
    wrong = np.concatenate([strips[place] for place in order], axis=1)
    return write_mask(Mask(np.asfortranarray(wrong), mask.geometry), out / label.name)


def _ask(client: httpx.Client, task: str, params: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    told = {**params, "result_extension": ".nrrd", "result_compress": False}
    reply = client.post(f"/infer/{task}", params={"image": JUDGES[0]}, data={"params": json.dumps(told)})
    return facts_and_mask(reply)


def facts_and_mask(reply: httpx.Response) -> tuple[dict[str, Any], bytes]:
    """Both parts of an answer."""
    assert reply.status_code == 200, reply.text
    head = f"Content-Type: {reply.headers['content-type']}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + reply.content).get_payload()
    named = {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in parts}
    return json.loads(named["params"]), named["image"]
