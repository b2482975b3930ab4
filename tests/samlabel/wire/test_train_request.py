"""What clients send to start a training, in their own words."""

from typing import Any

import pytest

from sam_infer.errors import SamError
from sam_trainer.config import BEST_OF, TrainConfig
from sam_trainer.judging.policy import GatePolicy
from samlabel.wire.train_request import OPTIONS, parse


def test_slicer_sends_the_options_page() -> None:
    """The first entry of a list, the rest as it was offered; the host adds keys of its own."""
    values = {key: value[0] if isinstance(value, list) else value for key, value in OPTIONS.items()}
    order = parse({**values, "model": "sam", "client_id": "slicer", "gpus": "all", "local_rank": 0}, "tiny")
    assert order.config == TrainConfig() and order.policy == GatePolicy() and not order.resume


def test_fields_of_a_form_are_text_and_choices_nobody_made_are_lists() -> None:
    sent = {"method": ["decoder", "lora"], "epochs": "3", "promote": "false", "resume": "True", "lr": "0.001"}
    order = parse(sent, "tiny")
    assert (order.config.method, order.config.epochs, order.config.lr) == ("decoder", 3, 0.001)
    assert not order.policy.promote and order.resume


def test_ohif_nests_its_parameters() -> None:
    order = parse({"sam": {"rank": 8, "targets": "q, v,proj"}, "seed": 4}, "vit_b")
    assert (order.config.rank, order.config.targets) == (8, ("q", "v", "proj"))
    assert (order.config.seed, order.config.model) == (4, "vit_b")


def test_auto_is_an_option_with_minutes() -> None:
    assert OPTIONS["method"][-1] == BEST_OF and OPTIONS["minutes"] == TrainConfig.minutes
    order = parse({"method": "auto", "minutes": "12.5"}, "tiny")
    assert (order.config.method, order.config.minutes) == (BEST_OF, 12.5)


def test_the_gate_may_be_stricter_for_one_training() -> None:
    assert parse({"held_out_cases": 5, "margin": 0.0}, "tiny").policy == GatePolicy(held_out_cases=5, margin=0.0)


@pytest.mark.parametrize(
    ("sent", "field", "sentence"),
    [
        ({"name": "../../x"}, "name", "unknown parameter 'name'"),
        ({"train_ds": "/etc/passwd"}, "train_ds", "unknown parameter"),
        ({"epochs": "many"}, "epochs", "must be a whole number, got 'many'"),
        ({"epochs": 2.5}, "epochs", "must be a whole number"),
        ({"epochs": {"a": 1}}, "epochs", "must be a whole number"),
        ({"epochs": -1}, "epochs", "epochs must be from 1 to 1000"),
        ({"lr": "nan"}, "lr", "must be a finite number"),
        ({"promote": "perhaps"}, "promote", "must be true or false"),
        ({"targets": 5}, "targets", "must be a list or a comma-separated text"),
        ({"targets": ["q", 7]}, "targets", "must be a list or a comma-separated text"),
        ({"method": None, "rank": 0}, "rank", "rank must be from 1 to 256"),
        ({"method": "magic"}, "method", "method must be one of lora, decoder, .*, auto, got 'magic'"),
        ({"method": "auto", "minutes": 0}, "minutes", "minutes must be from"),
        ({"method": "auto", "lr": 1e-3}, "lr", "auto takes no lr"),
        ({"method": "lora_conv", "rank": 2}, "rank", "lora_conv needs a rank of at least 4, got 2"),
        ({"margin": 3}, "margin", "margin must be from 0 to 1"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(sent: dict[str, Any], field: str, sentence: str) -> None:
    with pytest.raises(SamError, match=sentence) as refused:
        parse(sent, "tiny")
    assert refused.value.field == field
