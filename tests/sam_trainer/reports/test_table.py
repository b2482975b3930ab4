"""Rows and intervals from hand-made observations."""

from __future__ import annotations

import pytest

from sam_trainer.reports.table import MEAN, Observation, modality_group, table


def seen(source: str, case: str, dice: float, headline: bool = True, label: str = "organ") -> Observation:
    return Observation(source, case, label, "CT", headline, (("strategy", "S5"),), {"dice": dice})


TWO_SOURCES = [
    seen("a", "a1", 1.0),
    seen("a", "a1", 0.8),
    seen("a", "a2", 0.3),
    seen("b", "b1", 0.5),
    seen("cells", "c1", 0.0, headline=False),
]


def test_the_headline_is_the_mean_over_sources_of_the_mean_over_objects() -> None:
    rows = table(TWO_SOURCES)
    sources = {r["source"]: r for r in rows if r["label"] == "all" and r["modality"] == "all"}
    assert sources["a"]["dice"] == pytest.approx(0.7)
    assert sources["cells"]["dice"] == 0.0
    assert sources[MEAN]["dice"] == pytest.approx((0.7 + 0.5) / 2)
    assert (sources[MEAN]["n"], sources[MEAN]["sources"]) == (4, 2)
    assert (sources["a"]["headline"], sources["cells"]["headline"]) == (True, False)


def test_a_mean_row_closes_the_table_for_every_condition() -> None:
    other = [Observation("a", "a1", "organ", "CT", True, (("strategy", "S2"),), {"dice": 0.2})]
    rows = table([*TWO_SOURCES, *other])
    assert [(r["source"], r["strategy"]) for r in rows[-2:]] == [(MEAN, "S5"), (MEAN, "S2")]


def test_cases_are_resampled_not_objects() -> None:
    alone = [seen("a", "a1", value) for value in (0.1, 0.9, 0.4, 0.6)]
    row = table(alone)[-1]
    assert row["ci_low"] == row["ci_high"] == pytest.approx(0.5)
    spread = [seen("a", f"a{n}", value) for n, value in enumerate((0.1, 0.9, 0.4, 0.6))]
    row = table(spread)[-1]
    assert 0.1 <= row["ci_low"] < 0.5 < row["ci_high"] <= 0.9
    assert table(spread, seed=3) == table(spread, seed=3)


def test_without_a_headline_source_the_mean_is_over_what_there_is() -> None:
    assert table([seen("cells", "c1", 0.25, headline=False)])[-1]["dice"] == 0.25


def test_values_that_only_some_observations_have() -> None:
    keys = (("clicks", 10),)
    full = Observation("a", "a1", "organ", "CT", True, keys, {"dice": 0.5, "noc85": 10.0})
    bare = Observation("b", "b1", "organ", "CT", True, keys, {"dice": 0.7})
    row = table([full, bare])[-1]
    assert (row["dice"], row["noc85"]) == (pytest.approx(0.6), 10.0)


@pytest.mark.parametrize(
    ("name", "group"),
    [("MR-T2*", "MR"), ("MR (T1 post-contrast)", "MR"), ("CT", "CT"), ("X-ray", "X-ray"), ("EM (ssTEM)", "EM")],
)
def test_modalities_are_grouped_by_scanner(name: str, group: str) -> None:
    assert modality_group(name) == group
