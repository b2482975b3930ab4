"""`samlabel train` and `samlabel adapters`, really run on small pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from sam_infer.adapters.adapter import Adapter
from sam_infer.adapters.ids import ADAPTER_FILE
from sam_infer.adapters.kinds.value import value_name
from sam_infer.adapters.store import AdapterStore
from sam_infer.errors import AdapterError
from sam_infer.imaging.image_file import read_mask, write_mask
from sam_infer.imaging.volume import Mask
from sam_infer.models.load import load_network
from sam_trainer.config import TrainConfig
from sam_trainer.labels.ledger import Ledger
from sam_trainer.studies import Studies
from sam_trainer.training.forecast import Forecast
from samlabel.commands.cli import app, main
from samlabel.offline import checks
from tests.brief_training import make_brief
from tests.sam_infer.adapters.test_adapter import provenance, tensors
from tests.small_studies import flat_case

run = CliRunner().invoke

# float32: without bfloat16 in the processor ten times as fast
SHORT = ["--method", "decoder", "--epochs", "1", "--steps", "1", "--held-out", "1", "--precision", "float32"]


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_train_without_a_server_then_list_show_and_promote(
    tmp_path: Path, isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_brief(monkeypatch, "samlabel.commands.train")
    for n, name in enumerate(("a", "case1")):
        flat_case(tmp_path, name, n)
    done = run(app, ["train", "--studies", str(tmp_path), *SHORT, "--no-promote"])
    assert done.exit_code == 0, done.output
    (stored,) = AdapterStore("tiny", isolated_home).adapters()
    assert stored.id[:12] in done.output and "kept as a candidate" in done.output and "dice 1 click" in done.output
    assert "labels without a prompt are named by the " in done.output and "on 1 held-out case" in done.output
    labels = run(app, ["labels", "list", "--studies", str(tmp_path)])
    assert labels.output.count("accepted") == 2 and "case1" in labels.output
    listed = run(app, ["adapters", "list"])
    assert stored.id[:12] in listed.output and "decoder" in listed.output and "yes" not in listed.output
    shown = json.loads(run(app, ["adapters", "show", stored.id[:8]]).output)
    assert shown["adapter"] == stored.id and shown["verdict"]["cases"] == 1 and not shown["serves"]
    assert shown["named_by"] == shown["metrics"]["named_why"] and shown["metrics"]["named_by"] in ("semantic", "unet")
    assert {case["case"]: case["part"] for case in shown["cases"]} == {"a": "train", "case1": "held_out"}
    assert run(app, ["adapters", "promote", stored.id[:8]]).exit_code == 0
    assert AdapterStore("tiny", isolated_home).pointer().adapter == stored.id
    assert "yes" in run(app, ["adapters", "list"]).output
    labelled, again = tmp_path / "labelled.png", tmp_path / "again.png"
    ask = ["predict", str(tmp_path / "a.png"), "--mode", "auto", "--auto", "semantic"]
    done = run(app, [*ask, "--out", str(labelled)])
    assert done.exit_code == 0 and f"adapter {stored.id[:12]}" in done.output, done.output
    assert run(app, [*ask, "--adapter", stored.id[:8], "--out", str(again)]).exit_code == 0
    assert labelled.read_bytes() == again.read_bytes()
    refused = run(app, [*ask, "--adapter", "none"])
    assert refused.exit_code != 0 and "has learned no labels" in str(refused.exception)
    # the same settings, seed and labels: the same adapter; on the weights of a new release it would be another
    again = run(app, ["adapters", "retrain", "--studies", str(tmp_path)])
    assert again.exit_code == 0 and stored.id[:12] in again.output
    assert len(AdapterStore("tiny", isolated_home).adapters()) == 1
    old = AdapterStore("tiny", isolated_home).put(Adapter(tensors(), provenance()))
    listed = run(app, ["adapters", "list"]).output
    assert old[:12] in listed and "trained on other weights" in " ".join(listed.split())


def test_a_withdrawn_label_teaches_no_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat_case(tmp_path, "a", 0)
    assert "no label was accepted here yet" in run(app, ["labels", "list", "--studies", str(tmp_path)]).output
    ledger = Ledger.of(Studies.of(tmp_path))
    ledger.accept("a", tmp_path / "labels" / "final" / "a.png", {"reader": "ann"})
    done = run(app, ["labels", "withdraw", "a", "--studies", str(tmp_path), "--why", "wrong side"])
    assert done.exit_code == 0 and "version 1 of a is withdrawn" in done.output
    listed = run(app, ["labels", "list", "--studies", str(tmp_path)]).output
    assert "withdrawn" in listed and "ann" in listed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["samlabel", "train", "--studies", str(tmp_path), *SHORT])
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code == 1 and "no accepted label yet" in capsys.readouterr().err


def test_a_label_in_doubt_is_shown_released_and_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    studies = tmp_path / "studies"
    for n, name in enumerate(("a", "e")):
        flat_case(studies, name, n)
    write_mask(
        Mask.empty(read_mask(studies / "labels" / "final" / "e.png").geometry), studies / "labels" / "final" / "e.png"
    )
    told = ["--studies", str(studies)]
    done = run(app, ["labels", "export", str(tmp_path / "one"), *told])
    assert done.exit_code == 0 and "e is in quarantine" in done.output and "wrote 1 cases (1 train" in done.output
    assert "e is in quarantine (empty): the label is empty" in run(app, ["labels", "list", *told]).output
    assert json.loads(run(app, ["labels", "show", "e", *told]).output)["doubts"][0]["reason"] == "empty"
    released = run(app, ["labels", "release", "e", "--why", "a healthy patient", *told])
    assert released.exit_code == 0 and "version 1 of e counts" in released.output
    shown = json.loads(run(app, ["labels", "show", "e", *told]).output)
    assert [event["event"] for event in shown["events"]] == ["quarantined", "released"]
    assert shown["events"][1]["facts"]["why"] == "a healthy patient"
    for arguments, sentence in (
        (["release", "e"], "nothing to release"),
        (["show", "nobody"], "no label of 'nobody' was ever accepted"),
        (["export", str(tmp_path / "one")], "is there already"),
        (["export", str(tmp_path / "two"), "--format", "coco"], "--format must be one of datalist, nnunet"),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["samlabel", "labels", *arguments, *told])
            with pytest.raises(SystemExit) as end:
                main()
        assert end.value.code == 1 and sentence in capsys.readouterr().err


def test_rollback_and_what_cannot_be(isolated_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = AdapterStore("tiny", isolated_home)
    assert "nothing was learned for tiny yet" in run(app, ["adapters", "list"]).output
    base = load_network("tiny").fingerprint.weights
    biased = {value_name("mask_decoder.draw.bias"): torch.zeros(32)}
    first, second = (store.put(Adapter(biased, provenance(seed=seed, base=base))) for seed in (1, 2))
    unfit = store.put(Adapter(tensors(), provenance(base=base)))
    for name in (first, second):
        assert run(app, ["adapters", "promote", name[:12], "--why", "a test"]).exit_code == 0
    assert f"serves adapter {first[:12]}" in run(app, ["adapters", "rollback"]).output
    (store.folder / second / ADAPTER_FILE).write_bytes(b"broken")
    assert "damaged" in " ".join(run(app, ["adapters", "list"]).output.split())
    for arguments, sentence in (
        (["adapters", "promote", "ffff"], "there is no adapter that begins with 'ffff'"),
        (["adapters", "promote", second[:12]], "was changed or is damaged"),
        (["adapters", "promote", unfit[:12]], "the adapter does not fit the network"),
        (["adapters", "show", second[:12]], "was changed or is damaged"),
        (["adapters", "rollback", "--model", "vit_b"], "nothing to go back from"),
        (["adapters", "retrain", "--model", "vit_b", "--studies", "."], "say which one to train again"),
        (["train", "--studies", str(isolated_home / "nowhere")], "there is no studies folder"),
        (["train", "--studies", str(isolated_home), "--method", "magic"], "method must be one of"),
        (["train", "--studies", str(isolated_home), "--method", "auto", "--lr", "0.1"], "auto takes no lr"),
        (["train", "--studies", str(isolated_home), "--method", "auto", "--minutes", "0"], "minutes must be from"),
        (
            ["train", "--studies", str(isolated_home), "--model", "mobile_sam", "--method", "cine"],
            "its encoder is another",
        ),
        (["train", "--studies", str(isolated_home), "--resume"], "no interrupted training to resume"),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["samlabel", *arguments])
            with pytest.raises(SystemExit) as end:
                main()
        assert end.value.code == 1
        assert sentence in capsys.readouterr().err
    assert store.pointer().adapter == first


def test_every_command_takes_the_demo_and_no_folder_that_is_not_there(
    isolated_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`labels list` and `loop report` called a typing mistake an empty folder; `train` did not know the demo."""
    monkeypatch.chdir(tmp_path)
    for command in (["labels", "list"], ["loop", "report"]):
        for named in ("demo", "demo-files"):
            known = run(app, [*command, "--studies", named])
            assert known.exit_code == 0, known.output
        lost = run(app, [*command, "--studies", "nowhere"])
        assert lost.exit_code == 1 and "there is no studies folder 'nowhere'" in str(lost.exception)
    for command in (
        ["labels", "export", "out"],
        ["train"],
        ["score"],
        ["next"],
        ["precompute"],
        ["adapters", "retrain"],
    ):
        lost = run(app, [*command, "--studies", "nowhere"])
        assert (lost.exit_code == 1 and "nowhere" in str(lost.exception)) or "which one to train" in str(lost.exception)
    (tmp_path / "runs").rename(tmp_path / "kept")
    assert run(app, ["loop", "report", "--studies", "nowhere"]).exit_code == 1 and not (tmp_path / "runs").exists()


def test_the_doctor_looks_at_the_adapter_that_serves(isolated_home: Path) -> None:
    assert checks.adapters(isolated_home) == []
    store = AdapterStore("tiny", isolated_home)
    base = load_network("tiny").fingerprint.weights
    good = store.put(Adapter(tensors(1), provenance(base=base)))
    foreign = store.put(Adapter(tensors(2), provenance()))
    assert checks.adapters(isolated_home) == []
    store.promote(good, "a test")
    (check,) = checks.adapters(isolated_home)
    assert check.ok and good[:12] in check.found
    store.promote(foreign, "a test")
    (check,) = checks.adapters(isolated_home)
    assert not check.ok and "trained on other weights" in check.found and "rollback --model tiny" in check.cure


def test_explain_says_what_would_be_trained_and_trains_nothing(
    tmp_path: Path, isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[TrainConfig] = []

    def expected(_: object, config: TrainConfig) -> Forecast:
        asked.append(config)
        parts = {"hyper: mask_decoder.transformer.layers.N": 278_000}
        return Forecast(parts, 278_000, 5_560_000, 1_112_000, 2_500_000_000, 0.5, 96.0)

    monkeypatch.setattr("sam_trainer.training.forecast.forecast", expected)
    told = run(app, ["train", "--studies", str(tmp_path), "--method", "hyper", "--explain"])
    assert told.exit_code == 0, told.output
    assert asked == [TrainConfig(method="hyper")]
    assert "hyper would train 278,000 numbers; tiny has 5,560,000" in told.output
    assert "5.0 % of the network; an adapter takes 1.1 MB" in told.output
    assert "memory: about 2.5 GB" in told.output and "0.5 s a step, 96 minutes for 12 epochs of 16" in told.output
    assert not (isolated_home / "training").exists()


def test_explain_lists_who_would_compete_and_who_not(
    tmp_path: Path, isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def expected(_: object, config: TrainConfig) -> Forecast:
        if config.method == "hyper":
            raise AdapterError("a hyper needs a decoder of SAM's")
        return Forecast({}, 18_432, 4_000_000, 73_728, 1_500_000_000, 0.5, 96.0)

    monkeypatch.setattr("sam_trainer.training.forecast.forecast", expected)
    told = run(app, ["train", "--studies", str(tmp_path), "--method", "auto", "--minutes", "45", "--explain"])
    assert told.exit_code == 0, told.output
    lines = told.output.splitlines()
    assert any(line.startswith("auto: 10 methods would compete for 45 minutes") for line in lines)
    (lora,) = (line for line in lines if line.strip().startswith("lora "))
    assert "18,432 numbers" in lora and "memory about 1.5 GB" in lora and "0.5 s a step, alone 96 minutes" in lora
    assert "left out: a hyper needs a decoder" in told.output and "those for slices beside" in told.output
    assert not (isolated_home / "training").exists()
