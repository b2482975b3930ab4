"""What few cases are worth is told by the rows: where the low-rank change adds nothing, where a U-Net is better."""

from __future__ import annotations

from typing import Any

from sam_trainer.bench.card.few_cases import FILES, FewCases


def mean(source: str, method: str, cases: int, **values: float) -> dict[str, Any]:
    numbers = {"parameters": 18_432, "head_parameters": 0 if method == "lora" else 790_129}
    return {"source": source, "method": method, "cases": cases, "seed": 0, "label": "all", **numbers, **values}


def gain(source: str, method: str, over: str, measure: str, cases: int, *found: float, held_out: int = 20) -> Any:
    low, middle, high = found
    about = {"source": source, "method": method, "over": over, "measure": measure, "cases": cases, "seeds": 3}
    return {**about, "held_out": held_out, "gain": middle, "ci_low": low, "ci_high": high}


def folder(source: str, click: float, head: float, net: float) -> list[dict[str, Any]]:
    named = gain(source, "lora+decoder", "unet", "dice_semantic", 2, head - net, head - net, head - net, held_out=1)
    return [
        mean(source, "none", 2),
        mean(source, "lora+decoder", 2, dice_semantic=head),
        mean(source, "unet", 2, dice_semantic=net),
        gain(source, "lora", "none", "dice_1click", 2, click, click, click, held_out=1),
        gain(source, "lora", "none", "dice_box", 2, 0.0, 0.0, 0.0, held_out=1),
        named,
    ]


TRAIN = [
    mean("procedural", "lora", 1),
    mean("procedural", "lora+decoder", 1),
    gain("procedural", "lora", "none", "dice_1click", 1, -0.01, 0.002, 0.014),
    gain("procedural", "lora", "none", "dice_1click", 5, 0.01, 0.02, 0.03),
    gain("procedural", "lora", "none", "dice_box", 5, 0.0, 0.001, 0.002),
    gain("procedural", "lora+decoder", "unet", "dice_semantic", 1, -0.3, -0.2, -0.1),
    gain("procedural", "lora+decoder", "unet", "dice_semantic", 5, 0.01, 0.1, 0.2),
]
HEADS = [TRAIN[-1] | {"gain": 9.0}, gain("procedural", "samed", "unet", "dice_semantic", 5, -0.2, -0.15, -0.1)]
FOLDERS = [*folder("spine", 0.1, 0.25, 0.5), *folder("lungs", 0.3, 0.9, 0.8), *folder("heart", 0.2, 0.7, 0.7)]
ROWS = dict(zip(FILES, (TRAIN, HEADS, FOLDERS), strict=True))


def told() -> FewCases:
    found = FewCases.of(ROWS)
    assert found is not None
    return found


def test_there_is_nothing_to_tell_before_all_files_are_there() -> None:
    assert FewCases.of({name: ROWS[name] for name in FILES[:2]}) is None


def test_sentences_say_where_it_adds_nothing_and_where_a_unet_is_better() -> None:
    text = told().sentences()
    assert "`lora` alone (18,432 numbers, nothing else trained)" in text
    assert "after 5 cases it adds to a first click; after 1 case it adds nothing to a first click" in text
    assert "it adds nothing that is proven: +0.200 (-0.048 to +0.448) over 3 folders" in text
    assert "U-Net is better after 1 case, the head beside the network after 5 cases" in text
    assert "the U-Net is better on spine -0.250; the head on lungs +0.100; neither by 0.01 on heart." in text


def test_a_method_that_always_gains_is_not_said_to_add_nothing() -> None:
    better = FewCases([row for row in TRAIN if row.get("ci_low", 1) > -0.01], [])
    assert "adds nothing to a first click" not in better.sentences() and "better never" in better.sentences()
    worse = FewCases([row | {"ci_low": -0.3, "ci_high": -0.1} for row in TRAIN if "gain" in row], []).sentences()
    assert "after 1, 5 cases it takes away from a first click" in worse


def test_a_row_of_another_file_counts_once() -> None:
    text = told().over_counts("dice_semantic", "unet")
    assert "| `lora+decoder` | 808,561 | -0.200 (-0.300 to -0.100) | +0.100 (+0.010 to +0.200) |" in text
    assert "| `samed` |  |  | -0.150 (-0.200 to -0.100) |" in text and "9.000" not in text
    assert "Dice of labels without a prompt, over the U-Net, on 20 procedural patients" in text


def test_a_head_is_told_over_the_one_that_differs_in_one_thing() -> None:
    over = gain("procedural", "untapped", "decoder", "dice_semantic", 5, -0.04, -0.03, -0.02)
    real = gain("spine", "untapped", "decoder", "dice_semantic", 2, -0.3, -0.2, -0.1, held_out=1)
    lines = FewCases([over, over | {"cases": 1, "gain": 9.0}], [real]).heads().splitlines()
    assert lines[-2].startswith("| the head sees the picture only (`untapped`), over the head that sees")
    assert lines[-2].endswith("(`decoder`) | -0.030 (-0.040 to -0.020) | -0.200, 0 of 1 |")
    assert lines[-1].endswith("(`lora+decoder`) |  |  |")


def test_folders_count_the_same_each_and_one_case_has_no_interval() -> None:
    means = told().over_folders()
    assert "Over 3 real folders, of each at most 1 case asked after its others taught" in means
    assert "| `lora` | +0.200 (-0.048 to +0.448), 3 of 3 | +0.000 (+0.000 to +0.000), 0 of 3 |  |" in means
    assert "| spine | 2 | +0.100 |  | 0.250 | 0.500 |" in told().by_folder()


def test_a_measure_that_nobody_took_has_no_table() -> None:
    assert FewCases([], FOLDERS).over_counts("dice_1click", "none") == ""


def test_a_card_has_all_of_it() -> None:
    section = told().section()
    assert section.startswith("## Learning from few cases\n\n`lora` alone")
    assert section.count("\n|---|") == 6
