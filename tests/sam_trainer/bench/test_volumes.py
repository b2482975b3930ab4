from pathlib import Path

import numpy as np
import pytest

from sam_infer.errors import PromptError, VolumeError
from sam_infer.imaging.image_file import read_image, write_image, write_mask
from sam_infer.imaging.volume import Mask
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.propagation.options import VolumeOptions
from sam_trainer.bench.volumes import PROTOCOLS, extent_error
from sam_trainer.bench.volumes_run import CLICKS, SEED, run_volumes
from sam_trainer.labels.cases import read_sources
from sam_trainer.labels.objects3d import collect_structures
from sam_trainer.simulation.volume_reader import correcting
from sam_trainer.synthetic.hard_shapes import TARGET, scene
from sam_trainer.synthetic.patients import grid, render


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    volume, labels = render(scene("ellipsoid"), grid((48, 40, 14), (3, 3, 8)), "CT", np.random.default_rng(0))
    labels.array[1:4, 1:4, 0:2] = TARGET  # a crumb far away
    write_image(volume, tmp_path / "p.nii.gz")
    write_mask(Mask(labels.array, labels.geometry), tmp_path / "labels" / "final" / "p.nii.gz")
    return tmp_path


def test_every_protocol_gets_a_row_against_ceiling_and_baseline(studies: Path, network, tmp_path: Path) -> None:
    structures = collect_structures(read_sources(studies))
    assert len(structures) == 1 and not structures[0][1].mask[:5, :5].any()
    outcome = run_volumes(network, structures, VolumeOptions(), seed=0)
    mean = {row["protocol"]: row for row in outcome.rows if row["source"] == "mean"}
    assert set(mean) == set(PROTOCOLS)
    assert {"dice", "hd95_mm", "nsd", "extent_error", "seconds", "n"} <= set(mean["point"])
    assert mean["per_slice_oracle"]["of_ceiling"] == 1.0 and mean["extruded"]["above_extruded"] == 0.0
    assert mean["middle_box"]["of_ceiling"] > 0.85 and mean["middle_box"]["above_extruded"] > 0.1
    assert mean["extruded"]["extent_error"] == 0
    assert outcome.rows[-1]["source"] == "mean"
    page = outcome.page.write(tmp_path / "page", "volumes")
    assert "per_slice_oracle" in page.read_text() and list((tmp_path / "page").glob("*.png"))


def test_extent_error_is_the_worse_end(studies: Path) -> None:
    structure = collect_structures(read_sources(studies))[0][1]
    cut = structure.mask.copy()
    cut[:, :, : structure.slices[0] + 2] = False
    assert extent_error(cut, structure) == 2
    assert extent_error(np.zeros_like(cut), structure) == len(structure.slices)


def test_studies_without_volumes_are_refused(tmp_path: Path) -> None:
    volume, labels = render(scene("ellipsoid"), grid((48, 40, 3), (3, 3, 8)), "CT", np.random.default_rng(0))
    write_image(volume, tmp_path / "p.nii.gz")
    write_mask(labels, tmp_path / "labels" / "final" / "p.nii.gz")
    with pytest.raises(VolumeError, match="5 slices"):
        collect_structures(read_sources(tmp_path))


def test_a_reader_who_corrects_gets_nearer_to_the_truth(studies: Path, network) -> None:
    outcome = run_volumes(network, collect_structures(read_sources(studies)), VolumeOptions(), seed=0, protocol=CLICKS)
    mean = {row["protocol"]: row for row in outcome.rows if row["source"] == "mean"}
    assert set(mean) == {"after_0", "after_1", "after_3", "after_5", "after_10", "extruded", "per_slice_oracle"}
    assert mean["after_0"]["slices_viewed"] == 0 and 1 <= mean["after_5"]["slices_viewed"] <= 5
    assert mean["after_5"]["dice"] >= mean["after_0"]["dice"] - 0.01 > 0.5 and mean["after_0"]["of_ceiling"] > 0.8


def test_the_reader_clicks_on_the_worst_place_of_the_worst_slice(studies: Path) -> None:
    structure = collect_structures(read_sources(studies))[0][1]
    volume = read_image(structure.case.image)
    asked: list[Prompts] = []

    def ask(prompts: Prompts) -> np.ndarray:
        asked.append(prompts)
        mask = structure.mask.copy()
        if len(asked) == 1:
            mask[:, :, structure.at(0.5)] = False
        return mask

    session = correcting(ask, Prompts(structure.axis), structure.mask, lambda k: volume.view(structure.axis, k))
    states = [next(session) for _ in range(3)]
    assert [viewed for _, viewed in states] == [0, 1, 1] and len(asked) == 2  # then there is nothing to correct
    (voxel,) = asked[1].points
    assert (
        voxel[structure.axis] == structure.at(0.5) and structure.mask[tuple(voxel)] and asked[1].labels.tolist() == [1]
    )


def test_one_case_seeds_the_other_of_its_source(studies: Path, network) -> None:
    alone = run_volumes(network, collect_structures(read_sources(studies)), VolumeOptions(), seed=0, protocol=SEED)
    assert alone.rows == []  # there is no other case
    volume, labels = render(scene("ellipsoid"), grid((50, 42, 15), (3, 3, 8)), "CT", np.random.default_rng(1))
    write_image(volume, studies / "q.nii.gz")
    write_mask(labels, studies / "labels" / "final" / "q.nii.gz")
    outcome = run_volumes(network, collect_structures(read_sources(studies)), VolumeOptions(), seed=0, protocol=SEED)
    mean = {row["protocol"]: row for row in outcome.rows if row["source"] == "mean"}
    assert set(mean) == {"seed", "warped", "middle_box", "extruded", "per_slice_oracle"} and mean["seed"]["n"] == 2
    assert mean["seed"]["dice"] >= 0.8 * mean["middle_box"]["dice"] and 0 < mean["seed"]["confidence"] <= 1
    assert mean["seed"]["above_warped"] == pytest.approx(mean["seed"]["dice"] - mean["warped"]["dice"], abs=1e-3)

    def refuse(*_: object) -> None:
        raise PromptError("the label of the other case falls outside this image", "seed_from")

    # what a reader would be refused is a row here
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sam_trainer.bench.volumes.seeded_object", refuse)
        outcome = run_volumes(
            network, collect_structures(read_sources(studies)), VolumeOptions(), seed=0, protocol=SEED
        )
    mean = {row["protocol"]: row for row in outcome.rows if row["source"] == "mean"}
    assert (mean["seed"]["refused"], mean["seed"]["dice"], mean["seed"]["confidence"]) == (1.0, 0.0, 0.0)
