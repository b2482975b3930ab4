from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from sam_infer.errors import PromptError
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.job import CancelledError, Job
from sam_infer.lru_cache import LruCache
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.prompts.volume_prompts import VolumePrompts
from sam_infer.propagation.segment import segment_volume
from sam_infer.serving.work_queue import Priority, WorkQueue
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.measures.overlap import dice
from sam_trainer.synthetic.hard_shapes import SCENES, TARGET, scene
from sam_trainer.synthetic.patients import grid, lesion_photo, render, reoriented

SHAPE, SPACING = (96, 80, 40), (1.5, 1.5, 3.0)

# The slice that is prompted, however a volume is stored.
STORED_AT = 12


def phantom(name: str) -> tuple[Volume, np.ndarray]:
    volume, labels = render(scene(name), grid(SHAPE, SPACING), "CT", np.random.default_rng(1))
    return volume, labels.array == TARGET


@pytest.fixture(scope="module")
def fork() -> tuple[Volume, np.ndarray]:
    return phantom("fork")


@pytest.fixture
def predictor(network) -> Predictor:
    return Predictor(network, EmbeddingCache())


def extent(mask: np.ndarray, axis: int = 2) -> tuple[int, int]:
    filled = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
    return int(filled[0]), int(filled[-1])


def box_on(truth: np.ndarray, index: int, axis: int = 2) -> Box:
    voxels = np.argwhere(truth.take([index], axis))
    low, high = voxels.min(axis=0), voxels.max(axis=0)
    low[axis] = high[axis] = index
    return Box.of(low, high)


def middle(truth: np.ndarray, axis: int = 2) -> int:
    low, high = extent(truth, axis)
    return (low + high) // 2


def per_slice_boxes(predictor: Predictor, volume: Volume, truth: np.ndarray) -> np.ndarray:
    out = np.zeros(truth.shape, bool)
    for k in range(extent(truth)[0], extent(truth)[1] + 1):
        out |= predictor.predict(volume, Prompts(box=box_on(truth, k)), k).mask(volume).array > 0
    return out


def clicks(foreground: list[list[int]], background: list[list[int]] | None = None, **more) -> Prompts:
    both = [*foreground, *(background or [])]
    labels = np.repeat([1, 0], [len(foreground), len(both) - len(foreground)])
    return Prompts(points=np.array(both), labels=labels, **more)


def forgetful(predictor: Predictor) -> Predictor:
    """The same without the runs that were computed before."""
    return replace(predictor, runs=LruCache())


@pytest.mark.parametrize("name", SCENES)
def test_one_box_on_the_middle_slice_follows_every_shape_to_its_ends(predictor: Predictor, name: str) -> None:
    volume, truth = phantom(name)
    found = segment_volume(predictor, volume, Prompts(box=box_on(truth, middle(truth)))).mask.array > 0
    assert dice(found, truth) >= 0.85 * dice(per_slice_boxes(predictor, volume, truth), truth)
    assert np.abs(np.subtract(extent(found), extent(truth))).max() <= 1


def test_both_arms_of_a_fork_are_followed_as_pieces(predictor: Predictor, fork) -> None:
    volume, truth = fork
    stem = extent(truth)[0] + 4
    found = segment_volume(predictor, volume, Prompts(box=box_on(truth, stem))).mask.array > 0
    counts = [ndimage.label(found[:, :, k])[1] for k in range(SHAPE[2])]
    assert counts[stem] == 1 and counts[extent(truth)[1] - 3] == 2
    assert dice(found, truth) > 0.9


def test_two_arms_merge_into_the_stem(predictor: Predictor, fork) -> None:
    volume, truth = fork
    arms = extent(truth)[1] - 4
    found = segment_volume(predictor, volume, Prompts(box=box_on(truth, arms))).mask.array > 0
    assert dice(found, truth) > 0.9


def asked(where: np.ndarray, axis: int, index: int, thick: bool) -> Prompts:
    """A box on one slice, or around the whole object."""
    if not thick:
        return Prompts(axis, box=box_on(where, index, axis))
    voxels = np.argwhere(where)
    return Prompts(axis, box=Box.of(voxels.min(axis=0), voxels.max(axis=0)))


@pytest.fixture(scope="module", params=[False, True], ids=["flat", "thick"])
def as_drawn(request: pytest.FixtureRequest, bright, fork) -> tuple[bool, np.ndarray]:
    """Whether the box is thick, and what is found in the fork as it was drawn."""
    volume, truth = fork
    prompts = asked(truth, 2, STORED_AT, request.param)
    return request.param, segment_volume(Predictor(bright(), EmbeddingCache()), volume, prompts).mask.array > 0


@pytest.mark.parametrize(
    ("order", "flips"),
    [
        ((0, 1, 2), (False, False, True)),
        ((0, 1, 2), (True, True, False)),
        ((2, 0, 1), (False, True, True)),
        ((1, 2, 0), (True, False, False)),
    ],
)
@pytest.mark.slow
def test_the_way_a_volume_is_stored_changes_nothing(predictor: Predictor, fork, as_drawn, order, flips) -> None:
    (volume, truth), (thick, here) = fork, as_drawn
    array, geometry = reoriented(volume.array, volume.geometry, order, flips)
    turned_truth, _ = reoriented(truth, volume.geometry, order, flips)
    turned, axis = Volume(array, geometry, volume.modality), order.index(2)
    index = SHAPE[2] - 1 - STORED_AT if flips[axis] else STORED_AT
    there = segment_volume(predictor, turned, asked(turned_truth, axis, index, thick)).mask.array > 0
    expected, _ = reoriented(here, volume.geometry, order, flips)
    assert dice(there, expected) >= 0.98


@pytest.mark.parametrize("axis", [0, 1])
def test_other_planes_are_followed_too(predictor: Predictor, axis: int) -> None:
    volume, truth = phantom("ellipsoid")
    prompts = Prompts(axis, box=box_on(truth, middle(truth, axis), axis))
    found = segment_volume(predictor, volume, prompts).mask.array > 0
    assert dice(found, truth) > 0.9


def test_a_prompted_slice_shows_what_2d_would_answer(predictor: Predictor, fork) -> None:
    volume, truth = fork
    prompts = Prompts(box=box_on(truth, 10))
    flat = predictor.predict(volume, prompts, 10).mask(volume).array[:, :, 10]
    assert np.array_equal(segment_volume(predictor, volume, prompts).mask.array[:, :, 10], flat)


def test_a_correction_changes_nothing_beyond_the_next_prompted_slice(predictor: Predictor) -> None:
    volume, truth = phantom("bending_tube")
    low, high = extent(truth)
    prompted = [low + 4, middle(truth), high - 4]
    boxes = [box_on(truth, k) for k in prompted]
    before = segment_volume(predictor, volume, VolumePrompts.of(Prompts(), volume.geometry, boxes)).mask.array
    places = np.argwhere(truth[:, :, prompted[0] + 4])
    spot = places[len(places) // 4]
    hint = clicks([], [[*spot, prompted[0] + 4]])
    network = predictor.backbone
    heard: list[int] = []

    class Obedient(type(network)):
        """Leaves out what lies left of a background point."""

        def decode(self, features, hints):
            found = super().decode(features, hints)
            for x, _ in hints.points_xy[hints.labels == 0]:
                heard.append(1)
                found.logits[:, :, : int(x)] = -10
            return found

    obedient = Predictor(Obedient(), EmbeddingCache())
    after = segment_volume(obedient, volume, VolumePrompts.of(hint, volume.geometry, boxes)).mask.array
    changed = np.flatnonzero((after != before).any(axis=(0, 1)))
    assert heard and prompted[0] + 4 in changed
    assert prompted[0] < changed.min() and changed.max() < prompted[1]


def test_a_correction_between_corrections_stays_local(predictor: Predictor, fork) -> None:
    volume, truth = fork
    start = Prompts(box=box_on(truth, 20))
    far = [[5, 5, k] for k in (10, 14)]
    one = segment_volume(predictor, volume, replace(clicks([], far[:1]), box=start.box)).mask.array
    two = segment_volume(predictor, volume, replace(clicks([], far), box=start.box)).mask.array
    assert np.array_equal(one[:, :, :11], two[:, :, :11]) and np.array_equal(one[:, :, 20:], two[:, :, 20:])


def test_a_click_beyond_a_gap_goes_on_with_what_the_object_was(predictor: Predictor) -> None:
    volume, truth = phantom("cylinder")
    start, high = middle(truth), extent(truth)[1]
    array = volume.array.copy(order="F")
    array[:, :, start + 1 : start + 3] = array.min()  # there it ends for whoever comes from below
    holed, boxes = Volume(array, volume.geometry, volume.modality), [box_on(truth, start)]
    alone = segment_volume(predictor, holed, VolumePrompts.of(Prompts(), volume.geometry, boxes))
    spot = np.argwhere(truth[:, :, high - 1]).mean(axis=0).round().astype(int)
    said = VolumePrompts.of(clicks([[*spot, high - 1]]), volume.geometry, boxes)
    found = segment_volume(predictor, holed, said)
    assert alone.slices[-1] == start and found.prompted == (start, high - 1)
    assert set(range(start + 3, high)) <= set(found.slices)
    assert dice(found.mask.array[:, :, high - 1] > 0, truth[:, :, high - 1]) > 0.9
    assert np.array_equal(found.mask.array[:, :, : start + 1], alone.mask.array[:, :, : start + 1])


def test_a_click_in_the_very_middle_ends_the_object_there(predictor: Predictor) -> None:
    volume, truth = phantom("cylinder")
    box, high = box_on(truth, middle(truth)), extent(truth)[1]
    spot = np.argwhere(truth[:, :, high - 4]).mean(axis=0).round().astype(int)
    found = segment_volume(predictor, volume, replace(clicks([], [[*spot, high - 4]]), box=box))
    assert middle(truth) <= found.slices[-1] < high - 4 and found.slices[0] == extent(truth)[0]
    # and a reader who points at it there again has the last word
    said = clicks([[*spot, high - 4]], [[spot[0] + 2, spot[1], high - 4]], box=box)
    again = segment_volume(predictor, volume, replace(said, turns=np.array([1, 0])))
    assert again.slices[-1] >= high - 4


def test_a_correction_encodes_no_slice_but_its_own(predictor: Predictor, network) -> None:
    volume, truth = phantom("cylinder")
    boxes = [box_on(truth, middle(truth))]
    segment_volume(predictor, volume, VolumePrompts.of(Prompts(), volume.geometry, boxes))
    before = network.encodes
    segment_volume(predictor, volume, VolumePrompts.of(clicks([], [[2, 2, 14]]), volume.geometry, boxes))
    assert before > 1 and network.encodes <= before + 1


def test_a_correction_where_nothing_arrived_is_named_and_harmless(predictor: Predictor) -> None:
    volume, truth = phantom("cylinder")
    box = box_on(truth, middle(truth))
    plain = segment_volume(predictor, volume, Prompts(box=box))
    answer = segment_volume(predictor, volume, replace(clicks([], [[20, 20, 1]]), box=box))
    assert np.array_equal(answer.mask.array, plain.mask.array)
    assert any("slice 1" in note for note in answer.notes)


@pytest.mark.slow
def test_two_readers_get_what_each_would_get_alone(network) -> None:
    volume, truth = phantom("touching")
    requests = [Prompts(box=box_on(truth, middle(truth))), clicks([[40, 40, 20]]), Prompts(1, box=box_on(truth, 38, 1))]
    alone = [segment_volume(Predictor(type(network)(), EmbeddingCache()), volume, r).mask.array for r in requests]
    shared = Predictor(network, EmbeddingCache())
    for number in (0, 1, 0, 2):
        assert np.array_equal(segment_volume(shared, volume, requests[number]).mask.array, alone[number])


def test_a_roi_is_a_hard_limit(predictor: Predictor, fork) -> None:
    volume, _ = fork
    limit = Box.of([20, 20, 8], [52, 60, 25])
    inside = np.zeros(SHAPE, bool)
    inside[20:53, 20:61, 8:26] = True
    found = segment_volume(predictor, volume, Prompts(box=limit)).mask.array > 0
    assert found.any() and not (found & ~inside).any()
    assert extent(found) == (8, 25)


def test_a_3d_box_alone_starts_on_its_middle_slice(fork) -> None:
    volume, truth = fork
    voxels = np.argwhere(truth)
    said = VolumePrompts.of(Prompts(box=Box.of(voxels.min(axis=0), voxels.max(axis=0))), volume.geometry)
    assert list(said.anchors) == [middle(truth) if volume.geometry.world_axes[2][1] > 0 else middle(truth) + 1]


def test_between_two_prompted_slices_both_ends_have_a_say(predictor: Predictor) -> None:
    volume, truth = phantom("bending_tube")
    low, high = extent(truth)
    boxes = [box_on(truth, low + 3), box_on(truth, high - 3)]
    answer = segment_volume(predictor, volume, VolumePrompts.of(Prompts(), volume.geometry, boxes))
    # tracker and promptable network, from either end
    assert len(answer.answers[middle(truth)].runs) == 4 and len(answer.answers[low + 3].runs) == 1
    assert dice(answer.mask.array > 0, truth) > 0.9


def test_a_prior_mask_on_several_slices_prompts_each_of_them(predictor: Predictor, fork) -> None:
    volume, truth = fork
    prior = Mask.empty(volume.geometry)
    prior.array[:, :, 10:13] = truth[:, :, 10:13]
    said = VolumePrompts.of(Prompts(mask=prior), volume.geometry)
    assert list(said.anchors) == [10, 11, 12]


def test_painted_strokes_are_kept(predictor: Predictor, fork) -> None:
    volume, truth = fork
    painted = Mask.empty(volume.geometry)
    painted.array[2:5, 2:5, 7] = 1
    painted.array[40:60, :, 15] = 2
    found = segment_volume(predictor, volume, Prompts(box=box_on(truth, 12), painted=painted)).mask.array
    assert found[2:5, 2:5, 7].all() and not found[40:60, :, 15].any()


def test_cancelling_stops_before_the_next_slice(predictor: Predictor, network, fork) -> None:
    volume, truth = fork
    seen: list[int] = []
    job = Job(cancelled=lambda: len(seen) >= 3, progress=seen.append)
    with pytest.raises(CancelledError, match="called off"):
        segment_volume(predictor, volume, Prompts(box=box_on(truth, 12)), job=job)
    assert len(seen) == 3 and network.encodes <= 3


def test_a_part_is_kept_where_it_is_wanted(predictor: Predictor, fork) -> None:
    """Three slices of the whole answer, the prompted one first, and the answer says that it is a part."""
    volume, truth = fork
    prompts = Prompts(box=box_on(truth, 12))
    whole = segment_volume(forgetful(predictor), volume, prompts)
    seen: list[int] = []
    job = Job(cancelled=lambda: len(seen) >= 3, progress=seen.append, partial=lambda: True)
    part = segment_volume(predictor, volume, prompts, job=job)
    assert whole.whole and not part.whole and len(seen) == 3
    assert part.slices == [10, 11, 12]
    assert np.array_equal(part.mask.array[:, :, 10:13], whole.mask.array[:, :, 10:13])
    assert not np.delete(part.mask.array, [10, 11, 12], axis=2).any()


def test_a_part_between_two_prompts_holds_what_both_runs_found(predictor: Predictor, fork) -> None:
    volume, truth = fork
    said = VolumePrompts.of(Prompts(), volume.geometry, [box_on(truth, 10), box_on(truth, 20)])
    slices = segment_volume(forgetful(predictor), volume, said).slices
    # two prompts, the run below to the end of the object and one slice beyond, and the run above
    upto = 2 + (10 - slices[0] + 1) + (slices[-1] - 20 + 1)
    for more, kept in ((4, [11, 12, 13, 14]), (9 + 2, list(range(11, 20)))):
        seen: list[int] = []
        job = Job(
            cancelled=lambda seen=seen, more=more: len(seen) >= upto + more,
            progress=seen.append,
            partial=lambda: True,
        )
        part = segment_volume(forgetful(predictor), volume, said, job=job)
        assert not part.whole and [k for k in part.slices if 10 < k < 20] == kept


def test_without_a_prompted_slice_there_is_no_part(predictor: Predictor, fork) -> None:
    volume, truth = fork
    job = Job(cancelled=lambda: True, partial=lambda: True)
    with pytest.raises(CancelledError):
        segment_volume(predictor, volume, Prompts(box=box_on(truth, 12)), job=job)


def test_no_more_slices_are_computed_than_were_expected(predictor: Predictor, fork) -> None:
    volume, truth = fork
    seen: list[int] = []
    announced: list[int] = []
    said = VolumePrompts.of(Prompts(), volume.geometry, [box_on(truth, 10), box_on(truth, 20)])
    segment_volume(predictor, volume, said, job=Job(progress=seen.append, expected=announced.append))
    assert announced == [2 + 10 + 19 + 2 * 9] and 9 * 2 < len(seen) <= announced[0]


def test_a_correction_follows_again_only_between_its_neighbours(predictor: Predictor, fork) -> None:
    volume, truth = fork
    boxes = [box_on(truth, 10), box_on(truth, 20)]
    segment_volume(predictor, volume, VolumePrompts.of(Prompts(), volume.geometry, boxes))
    worked: list[int] = []

    def counted(work):
        worked.append(1)
        return work()

    said = VolumePrompts.of(clicks([], [[5, 5, 14]]), volume.geometry, boxes)
    found = segment_volume(predictor, volume, said, job=Job(runner=counted))
    assert len(worked) == 2 + 1 + 3 + 5  # two boxes, the click, and from it to either side: the rest is recalled
    assert np.array_equal(found.mask.array, segment_volume(forgetful(predictor), volume, said).mask.array)


def test_up_to_a_correction_what_was_followed_before_is_recalled(predictor: Predictor) -> None:
    volume, truth = phantom("cylinder")
    box, click = middle(truth), extent(truth)[1] - 1
    boxes, worked = [box_on(truth, box)], list[int]()
    segment_volume(predictor, volume, VolumePrompts.of(Prompts(), volume.geometry, boxes))

    def counted(work):
        worked.append(1)
        return work()

    said = VolumePrompts.of(clicks([], [[2, 2, click]]), volume.geometry, boxes)
    found = segment_volume(predictor, volume, said, job=Job(runner=counted))
    back, beyond = click - box - 1, volume.geometry.shape[2] - 1 - click
    assert back > 1 and len(worked) <= 2 + back + beyond  # the box, the click, and from it to either side
    assert np.array_equal(found.mask.array, segment_volume(forgetful(predictor), volume, said).mask.array)


def test_clicks_get_through_between_the_slices_of_a_volume(predictor: Predictor, fork) -> None:
    volume, truth = fork
    queue, order = WorkQueue(), []

    def runner(job):
        pending = queue.submit(job, Priority.VOLUME)
        if len(order) == 4:
            queue.submit(lambda: order.append("click"), Priority.CLICK)
        result = pending.result()
        order.append("slice")
        return result

    segment_volume(predictor, volume, Prompts(box=box_on(truth, 12)), job=Job(runner))
    queue.close()
    assert "click" in order[4:7] and order.count("slice") > 20


def test_a_volume_of_one_slice_and_a_photograph(predictor: Predictor) -> None:
    photo, truth = lesion_photo(np.random.default_rng(0), 96)
    prompts = Prompts(box=box_on(truth.array > 0, 0))
    found = segment_volume(predictor, photo, prompts).mask.array
    assert np.array_equal(found, predictor.predict(photo, prompts, 0).mask(photo).array)


def test_nothing_found_is_said(predictor: Predictor, fork) -> None:
    volume, _ = fork
    answer = segment_volume(predictor, volume, Prompts(box=Box.of([3, 3, 20], [9, 9, 20])))
    assert not answer.mask.array.any() and answer.slices == [] and answer.score == 0.0
    assert any("nothing was found at the prompts of slice 20" in note for note in answer.notes)
    assert any("empty" in note for note in answer.notes)


@pytest.mark.parametrize(
    ("prompts", "words"),
    [
        (clicks([[10, 10, 40]]), "outside the image"),
        (clicks([[10, 10, 20]], box=Box.of([30, 30, 10], [40, 40, 20])), "outside the roi"),
        (clicks([], [[10, 10, 20]]), "nothing to start from"),
        (Prompts(), "nothing to start from"),
        (Prompts(box=Box.of([200, 0, 0], [300, 5, 5])), "outside the image"),
    ],
)
def test_refusals(predictor: Predictor, fork, prompts: Prompts, words: str) -> None:
    with pytest.raises(PromptError, match=words):
        segment_volume(predictor, fork[0], prompts)


def test_boxes_are_flat_and_one_per_slice(fork) -> None:
    geometry = fork[0].geometry
    with pytest.raises(PromptError, match="one slice"):
        VolumePrompts.of(Prompts(), geometry, [Box.of([0, 0, 0], [5, 5, 5])])
    with pytest.raises(PromptError, match="one box per slice"):
        VolumePrompts.of(Prompts(), geometry, [Box.of([0, 0, 3], [5, 5, 3]), Box.of([7, 7, 3], [9, 9, 3])])


def test_the_limit_covers_the_displayed_rectangle(fork) -> None:
    from sam_infer.propagation.limit import inside

    geometry = fork[0].geometry
    view = SliceView.of(geometry, 2, 9)
    stored = np.zeros(geometry.shape, bool)
    stored[20:31, 40:46, 9] = True
    assert np.array_equal(inside(Box.of([20, 40, 5], [30, 45, 12]), view), view.extract(stored))
    assert not inside(Box.of([20, 40, 5], [30, 45, 8]), view).any()
