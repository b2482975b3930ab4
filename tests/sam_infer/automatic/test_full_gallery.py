import numpy as np

from sam_infer.automatic.full_gallery import AT_ONCE, CANDIDATES, SIDE, clicks_of, full_gallery
from sam_infer.job import Job
from sam_infer.networks.backbone import Hints
from sam_infer.networks.frame import fit_longest, whole
from sam_infer.networks.tiny.backbone import TinyBackbone


def slice_with_two_disks() -> np.ndarray:
    rows, cols = np.mgrid[:128, :128]
    pixels = np.full((128, 128), 40, np.uint8)
    pixels[np.hypot(rows - 40, cols - 40) < 20] = 180
    pixels[np.hypot(rows - 90, cols - 85) < 26] = 220
    return pixels


def test_clicks_are_the_middles_of_cells_where_something_shows() -> None:
    frame = fit_longest(whole(64, 128), (1, 1), 256, "centre")
    seen = np.zeros((64, 128), bool)
    seen[:, 64:] = True
    clicks = clicks_of(frame, seen)
    assert len(clicks) == SIDE * SIDE / 2 and clicks[:, 0].min() >= 128 and clicks[:, 1].max() < 128


def test_a_coarse_map_finds_its_mask_in_the_whole_gallery(one_thread) -> None:
    """With the real network: the mask that fits is the disk, also where the map is only roughly there."""
    network = TinyBackbone.embedded()
    pixels = slice_with_two_disks()
    frame = fit_longest(whole(*pixels.shape), (1, 1), network.input_size, "centre")
    shown = np.kron(pixels, np.ones((2, 2), np.uint8))
    features = network.encode(np.repeat(shown[None, ..., None], 3, axis=3))
    clicks = clicks_of(frame, np.ones(pixels.shape, bool))[::7]
    jobs = []
    job = Job(lambda work: jobs.append(1) or work(), workers=2)
    gallery = full_gallery(network, features, clicks, job, 0.3)
    assert len(jobs) == -(-len(clicks) // AT_ONCE) and gallery.quality.min() >= 0.3
    rows, cols = np.mgrid[: network.low_res, : network.low_res] * 128 / network.low_res
    rough = np.clip(1.2 - np.hypot(rows - 92, cols - 82) / 26, 0, 1).astype(np.float32)
    number, overlap = gallery.best(rough, 0.1)[0]
    truth = np.hypot(rows + 0.5 - 90, cols + 0.5 - 85) < 26
    found = gallery.mask(number)
    assert overlap > 0.4 and (found & truth).sum() / (found | truth).sum() > 0.8


def test_many_clicks_at_once_answer_as_one_by_one(one_thread) -> None:
    network = TinyBackbone.random(3)
    features = network.encode(np.random.default_rng(0).integers(0, 255, (1, 256, 256, 3)).astype(np.uint8))
    clicks = np.array([[20.0, 30.0], [200.5, 99.0], [128.0, 7.0]], np.float32)
    logits, scores = network.decode_clicks(features, clicks)
    for number, click in enumerate(clicks):
        alone = network.decode(features, Hints(click[None], np.ones(1, np.int64)))
        assert np.allclose(logits[number], alone.logits, atol=1e-4) and np.allclose(
            scores[number], alone.scores, atol=1e-5
        )
    assert logits.shape[1] > CANDIDATES - 1
