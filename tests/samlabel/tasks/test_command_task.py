"""`sam_text` over HTTP: words in, a mask out; nothing is kept, and what is not understood comes back with a cure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.imaging.image_file import write_mask
from sam_infer.imaging.volume import Mask, Volume
from tests.samlabel.conftest import Answer, Server, parsed

MIDDLE = [24, 12, 12]


def say(server: Server, words: str | None, mask: Path | None = None, **params: Any) -> Answer:
    files = {"label": (mask.name, mask.read_bytes())} if mask else {"unused": ("", b"")}
    told = {**params, **({} if words is None else {"text": words})}
    reply = server.client.post("/infer/sam_text?image=l", data={"params": json.dumps(told)}, files=files)
    return parsed(reply)


def test_a_box_in_words_is_a_mask_and_the_next_request_goes_on_from_it(server: Server, tmp_path: Path) -> None:
    first = say(server, "box set 6 5 33 26; add point 24 12 12", slice=12)
    facts = first.facts
    assert first.status == 200 and facts["label_names"] == {"object": 1} and facts["voxels"] > 0
    assert [one["read"] for one in facts["commands"]] == ["box set 6 5 33 26", "add point 24 12 12"]
    assert facts["prompts"] == {"foreground": [MIDDLE], "background": [], "roi": [6, 33, 5, 26, 12, 12]}
    assert (facts["plane"], facts["axis"], facts["slice"], facts["actions"]) == ("axial", "k", 12, [])
    before = first.mask(tmp_path).array
    kept = write_mask(first.mask(tmp_path), tmp_path / "mask.nrrd")
    second = say(server, "expnad 3 mm links", kept, slice=12, foreground=[MIDDLE], roi=facts["prompts"]["roi"])
    after = second.mask(tmp_path).array
    assert second.facts["commands"][0]["read"] == "expand 3 mm left"
    assert second.facts["warnings"] == ["'expnad' was read as 'expand'"]
    assert after.sum() > before.sum() and (after >= before).all() and second.facts["prompts"] == facts["prompts"]
    undone = say(server, "undo", kept, slice=12)
    assert undone.facts["actions"] == ["undo"] and np.array_equal(undone.mask(tmp_path).array, before)


@pytest.mark.parametrize(
    ("params", "words", "field"),
    [
        ({"text": "segment gizzard"}, "did you mean 'segment object'", "text"),
        ({"text": "frobnicate"}, "nobody knows the word 'frobnicate'", "text"),
        ({}, "must be words", "text"),
        ({"text": "undo", "commands": ["redo"]}, "not both", "commands"),
        ({"commands": ["undo", 3]}, "must be words", "commands"),
        ({"text": "expand 3 mm"}, "there is no mask yet", "text"),
        ({"text": "undo", "slice": 99}, "slice must be from 0 to 23", "slice"),
        ({"text": "undo", "boxes": [1]}, "boxes must be", "boxes"),
        (
            {"text": "segment object"},
            "nobody knows where object is",
            "text",
        ),  # `l` is the only case, and teaches itself
    ],
)
def test_what_is_not_understood_or_cannot_be_done_is_refused(
    server: Server, params: dict[str, Any], words: str, field: str
) -> None:
    answer = say(server, None, **params)
    assert answer.status == 422 and answer.facts["field"] == field and words in answer.facts["detail"]


def test_a_label_is_found_where_another_accepted_case_has_it(
    server: Server, phantom: tuple[Volume, Mask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sam_infer.automatic.taught.box_head.STEPS", 5)
    volume, mask = phantom
    from sam_infer.imaging.image_file import write_image

    lighter = Volume(np.asfortranarray(volume.array + 1), volume.geometry, volume.modality)
    file = write_image(lighter, tmp_path / "new.nii.gz")
    reply = server.client.post(
        "/infer/sam_text",
        data={"params": json.dumps({"commands": ["segment object", "propagate up"]})},
        files={"file": ("new.nii.gz", file.read_bytes())},
    )
    answer = parsed(reply)
    assert answer.status == 200, answer.facts
    roi = np.array(answer.facts["located"]["roi"]).reshape(3, 2)
    there = np.argwhere(mask.array > 0)
    assert (roi[:, 0] <= there.min(0) + 4).all() and (roi[:, 1] >= there.max(0) - 4).all()
    slices = np.flatnonzero(answer.mask(tmp_path).array.any(axis=(0, 1)))
    assert len(slices) > 1 and slices.min() == answer.facts["slice"] and answer.facts["warnings"]


def test_clients_are_shown_what_can_be_said(server: Server) -> None:
    config = server.client.get("/info/").json()["models"]["sam_text"]["config"]
    assert {"segment object", "undo", "rückgängig"} <= set(config["text"])
