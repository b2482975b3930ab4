"""Settings, labels, readers, names: the parts of the app that need no server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sam_infer.errors import PromptError
from sam_infer.weights.available import record_path
from samlabel.access import identity
from samlabel.access.names import check_name, check_session_id, check_upload_name, check_url_path, json_object
from samlabel.config import AppConfig
from samlabel.errors import ConfigError, RequestError, UnsafeNameError
from samlabel.host import settings as host_settings
from samlabel.label_names import DEFAULT, LabelNames, app_labels


def test_settings_are_read_once_from_text() -> None:
    config = AppConfig.of({"model": "vit_b", "labels": "liver, spleen,,liver", "warm_up": "False", "memory_mb": "64"})
    assert config == AppConfig("vit_b", labels=("liver", "spleen"), warm_up=False, memory_mb=64)
    assert AppConfig.of({}) == AppConfig()
    assert AppConfig.of({"server_mode": "true"}) == AppConfig()


def test_several_models_are_those_that_were_added() -> None:
    with pytest.raises(ConfigError, match="at least two different models, got tiny"):
        AppConfig.of({"model": "auto"})
    path = record_path("mobile_sam")
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    assert AppConfig.of({"model": "auto"}) == AppConfig("tiny", models=("tiny", "mobile_sam"))
    config = AppConfig.of({"model": "auto", "models": "mobile_sam, tiny"})
    assert (config.model, config.models) == ("mobile_sam", ("mobile_sam", "tiny"))
    for conf, sentence in (
        ({"model": "auto", "models": "tiny,vit_b"}, "vit_b has not been added"),
        ({"model": "auto", "models": "tiny,lungs"}, "there is no model 'lungs'"),
        ({"model": "auto", "adapter": "none"}, "leave adapter none out"),
        ({"models": "tiny,mobile_sam"}, "models is for model auto"),
        ({"models_mb": "0"}, "models_mb must be at least 1"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            AppConfig.of(conf)


def test_viewers_elsewhere_are_named_by_their_origins() -> None:
    config = AppConfig.of({"viewer_origins": "https://ohif.hospital:3000, http://10.0.0.7, http://[::1]:3000"})
    assert config.viewer_origins == ("https://ohif.hospital:3000", "http://10.0.0.7", "http://[::1]:3000")


@pytest.mark.parametrize(
    ("conf", "field"),
    [
        ({"modle": "tiny"}, "modle"),
        ({"memory_mb": "much"}, "memory_mb"),
        ({"memory_mb": "-1"}, "memory_mb"),
        ({"warm_up": "perhaps"}, "warm_up"),
        ({"model": " "}, "model"),
        ({"viewer_origins": "*"}, "viewer_origins"),
        ({"viewer_origins": "null"}, "viewer_origins"),
        ({"viewer_origins": "https://a.example, ohif.hospital:3000"}, "viewer_origins"),
        ({"viewer_origins": "https://ohif.hospital:3000/viewer"}, "viewer_origins"),
        ({"viewer_origins": "https://ohif.hospital/"}, "viewer_origins"),
        ({"viewer_origins": "https://Ohif.hospital"}, "viewer_origins"),
        ({"viewer_origins": "https://me@ohif.hospital"}, "viewer_origins"),
        ({"viewer_origins": "https://*.hospital"}, "viewer_origins"),
        ({"viewer_origins": "https://ohif.hospital:99999"}, "viewer_origins"),
        ({"viewer_origins": "ftp://ohif.hospital"}, "viewer_origins"),
        ({"viewer_origins": "https://"}, "viewer_origins"),
    ],
)
def test_settings_that_are_refused(conf: dict[str, str], field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        AppConfig.of(conf)


def test_every_setting_is_documented() -> None:
    import samlabel.config

    assert all(f"    {name}" in str(samlabel.config.__doc__) for name in AppConfig.__dataclass_fields__)


def test_labels_come_from_the_settings_then_from_the_studies(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(
        json.dumps(
            {
                "cases": {
                    "a": {"labels": {"1": "liver", "2": "spleen"}},
                    "b": {"labels": {"1": "lesion", "2": "liver"}},
                    "c": {},
                }
            }
        )
    )
    assert app_labels(AppConfig(), str(tmp_path)) == LabelNames(("liver", "spleen", "lesion"), strict=True)
    assert app_labels(AppConfig(labels=("x", "background")), str(tmp_path)).names == ("x",)
    assert app_labels(AppConfig(), str(tmp_path / "nowhere")) == LabelNames(DEFAULT, strict=False)
    assert app_labels(AppConfig(), "http://archive/dicom-web").names == DEFAULT


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cases": 3}', '{"cases": {"a": 1}}', "\x00"])
def test_a_dataset_json_that_says_nothing_is_no_reason_to_stop(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset.json").write_text(text)
    assert app_labels(AppConfig(), str(tmp_path)).names == DEFAULT


def test_a_label_outside_the_list_is_refused_only_where_there_is_a_list() -> None:
    chosen = LabelNames(("liver", "spleen"), strict=True)
    assert chosen.checked("spleen") == "spleen"
    assert chosen.checked(None) == chosen.checked("") == chosen.checked("background") == "liver"
    assert chosen.values == {"liver": 1, "spleen": 2}
    with pytest.raises(PromptError, match=r"Segment_1.*liver, spleen"):
        chosen.checked("Segment_1")
    assert LabelNames().checked("Segment_1") == "Segment_1"


def test_readers() -> None:
    assert identity.current_reader() == "local"
    with identity.acting_as("a"):
        with identity.acting_as("b"):
            assert identity.current_reader() == "b"
        assert identity.current_reader() == "a"
    assert identity.checked_name(None) == identity.checked_name("  ") == "local"
    assert identity.checked_name(" dr.who@ward-3 ") == "dr.who@ward-3"
    for bad in ("a b", "-x", "x" * 65, "\u00e4rztin\u202e", "a\nb", "../x", "x;y"):
        with pytest.raises(RequestError):
            identity.checked_name(bad)


@pytest.mark.parametrize("name", ["CT 1 (left).v2", "1.2.840.113619.2", "Größe_é", "a..b", "x" * 200])
def test_names_that_are_fine(name: str) -> None:
    assert check_name(name, "image") == name


@pytest.mark.parametrize("name", [None, 3, "", " ", "a/b", "..", "\\x", "a\u202eb", "a\x7f", "\ud800"])
def test_names_that_are_not(name: Any) -> None:
    with pytest.raises(UnsafeNameError, match="image"):
        check_name(name, "image")


def test_file_names_of_uploads() -> None:
    assert check_upload_name("/tmp/Slicer-user/tmpab.nii.gz") == "tmpab.nii.gz"
    assert check_upload_name("C:\\Users\\x\\scan.nrrd") == "scan.nrrd"
    for bad in (None, "", "../x.nii", "a/../x.nii", "..\\x.nii", "/"):
        with pytest.raises(UnsafeNameError):
            check_upload_name(bad)


def test_addresses() -> None:
    for good in ("/", "/info/", "/ohif/assets/x.js", "/proxy/dicom/studies/1.2.3/series", "/a..b/", "/x%20y"):
        check_url_path(good)
    for bad in ("/..", "/a/../b", "/a/%2e%2e/b", "/a/%252e%252e/b", "/..%2Fx", "/x\0", "/a\\b", "/%25252525252e"):
        with pytest.raises(UnsafeNameError):
            check_url_path(bad)


def test_session_ids_and_json() -> None:
    assert check_session_id("9B2C0C1E-0000-11EE-8000-000000000000") == "9b2c0c1e-0000-11ee-8000-000000000000"
    for bad in ("", "x", None, "../9b2c0c1e-0000-11ee-8000-000000000000"):
        with pytest.raises(UnsafeNameError):
            check_session_id(bad)
    assert json_object("", "params") == json_object(None, "params") == json_object("null", "params") == {}
    assert json_object('{"a": 1}', "params") == {"a": 1}


class FakeSettings:
    """The three settings in question, as pydantic keeps them."""

    class Field:
        def __init__(self, default: Any) -> None:
            self.default = default

    model_fields: ClassVar = {
        "MONAI_LABEL_TRACKING_ENABLED": Field(True),
        "MONAI_LABEL_AUTO_UPDATE_SCORING": Field(True),
        "MONAI_LABEL_DICOMWEB_SEARCH_FILTER": Field({"Modality": "CT"}),
    }

    def __init__(self) -> None:
        for name, item in self.model_fields.items():
            setattr(self, name, item.default)


def test_host_settings_before_and_after_the_host_is_imported() -> None:
    environ = {"MONAI_LABEL_TRACKING_ENABLED": "true"}
    host_settings.apply(environ)
    assert environ["MONAI_LABEL_TRACKING_ENABLED"] == "true"  # somebody's own choice
    assert environ["MONAI_LABEL_AUTO_UPDATE_SCORING"] == "false"
    assert environ["PYTHONPATH"] == ""
    launched = FakeSettings()
    host_settings.align(launched, environ)
    assert launched.MONAI_LABEL_TRACKING_ENABLED is True

    stock, environ = FakeSettings(), {}
    stock.MONAI_LABEL_DICOMWEB_SEARCH_FILTER = {"Modality": "MR"}
    host_settings.align(stock, environ)
    assert stock.MONAI_LABEL_TRACKING_ENABLED is False and environ["MONAI_LABEL_TRACKING_ENABLED"] == "false"
    assert stock.MONAI_LABEL_DICOMWEB_SEARCH_FILTER == {"Modality": "MR"}
    assert environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
