"""Which adapters are asked together, and what they disagree about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sam_infer.adapters.ids import ADAPTER_FILE
from sam_infer.adapters.store import AdapterStore
from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.imaging.window import choose_window
from sam_infer.models import ensemble
from sam_infer.models.current import CurrentPredictor
from sam_infer.models.load import load_network
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.uncertainty.measures import ADAPTERS, MEASURES
from sam_infer.uncertainty.probe import Probe
from tests.sam_infer.models.test_current import adapter


def test_the_last_promoted_adapters_are_asked_and_too_few_are_refused(
    tmp_path: Path, l_phantom: tuple[Volume, Mask]
) -> None:
    base, store, cache = load_network("tiny"), AdapterStore("tiny", tmp_path), EmbeddingCache()
    names = [store.put(adapter(base, seed)) for seed in range(5)]
    for count, name in enumerate(names[:2]):
        with pytest.raises(PromptError, match=f"at least 2; of tiny there are {count}"):
            ensemble.members(store)
        store.promote(name, "test")
    assert ensemble.members(store) == names[1::-1]
    for name in names[2:]:
        store.promote(name, "test")
    store.rollback("worse")
    assert ensemble.members(store) == [names[3], names[2], names[1]]  # the last one was taken back, the first is old

    serves = CurrentPredictor(store, cache, base.backbone).first()
    (store.folder / names[2] / ADAPTER_FILE).write_bytes(b"damaged")
    together = ensemble.Ensemble(store, cache, base.backbone)
    others = together.besides(serves)
    assert [one.adapter for one in others] == [names[1]] and others[0].cache is cache
    assert together.besides(serves) is others  # built once

    volume, truth = l_phantom
    view = volume.view(2, 12)
    mask = np.asarray(view.extract(truth.array) > 0)
    window = choose_window(volume)
    evidence = Probe(serves, volume, window, (ADAPTERS,), others).at(view, mask)
    alike = Probe(serves, volume, window, (ADAPTERS,), (serves,)).at(view, mask)
    assert evidence.looks[ADAPTERS].shape[0] == 2
    assert MEASURES[ADAPTERS](evidence).value > MEASURES[ADAPTERS](alike).value == 0

    store.promote(names[1], "again")
    assert [one.adapter for one in together.besides(replace(serves, adapter=names[1]))] == [names[3]]
