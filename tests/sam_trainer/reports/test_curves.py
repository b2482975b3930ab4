import json
from pathlib import Path

from sam_trainer.reports.curves import draw_curves, read_log


def test_a_line_cut_off_by_a_crash_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert [row["step"] for row in read_log(log)] == [1, 2]


def test_curves_are_a_picture(tmp_path: Path) -> None:
    row = {"mask0": 1.0, "mask1": 0.9, "mask2": 0.8, "score": 0.1, "lr": 1e-3}
    (tmp_path / "log.jsonl").write_text("\n".join(json.dumps({**row, "seconds": 60.0 * i}) for i in range(400)))
    draw_curves(tmp_path / "log.jsonl", tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
