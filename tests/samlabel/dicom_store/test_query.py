"""Searches over HTTP, as OHIF and the host send them."""

import shutil
from pathlib import Path

import httpx
import pytest
from dicomweb_client import DICOMwebClient
from pydicom import dcmread

from samlabel.dicom.demo import SMALL
from samlabel.dicom_store.process import StoreProcess
from tests.processes import wait_until

CT, MR, _ = SMALL

OHIF_LIST = "limit=101&offset=0&fuzzymatching=true&includefield=00081030,00080060"


def values(results: list[dict], tag: str) -> list:
    return [result[tag]["Value"][0] for result in results if result.get(tag, {}).get("Value")]


def test_ohif_gets_its_list_with_description_and_modalities(web: httpx.Client) -> None:
    found = web.get(f"/studies?{OHIF_LIST}").json()
    ours = {study["00100020"]["Value"][0]: study for study in found}
    study = ours["SMALL-CT"]
    assert study["00081030"]["Value"] == ["Procedural abdomen, CT"]
    assert study["00080061"]["Value"] == ["CT"]
    assert study["00100010"]["Value"] == [{"Alphabetic": "Synthetic^Phantom 21"}]
    assert study["00201206"]["Value"] == [1] and study["00201208"]["Value"] == [6]
    assert study["00081190"]["Value"][0].endswith(f"/dicom-web/studies/{CT.uid('study')}")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("PatientID=SMALL-MR", {"SMALL-MR"}),
        ("00100020=SMALL-MR", {"SMALL-MR"}),
        ("PatientID=SMALL-*", {"SMALL-CT", "SMALL-MR", "SMALL-OTHER"}),
        ("PatientID=SMALL-?R", {"SMALL-MR"}),
        ("PatientID=small-mr", set()),
        ("ModalitiesInStudy=MR", {"SMALL-MR"}),
        ("00080061=MR,CT&PatientID=SMALL-*", {"SMALL-CT", "SMALL-MR", "SMALL-OTHER"}),
        ("PatientName=phan&fuzzymatching=true&PatientID=SMALL-CT", {"SMALL-CT"}),
        ("PatientName=*phantom 22", {"SMALL-MR"}),
        ("StudyDate=20260101-20260131&PatientID=SMALL-CT", {"SMALL-CT"}),
        ("StudyDate=-20251231", set()),
        ("StudyTime=1730-&PatientID=SMALL-*", {"SMALL-MR", "SMALL-OTHER"}),
        (f"StudyInstanceUID={CT.uid('study')},{MR.uid('study')}", {"SMALL-CT", "SMALL-MR"}),
        ("PatientPosition=HFS&PatientID=SMALL-MR", {"SMALL-MR"}),
        ("PatientPosition=FFS", set()),
        ("StudyDescription=*MR", {"SMALL-MR"}),
        ("PatientID=", {"SMALL-CT", "SMALL-MR", "SMALL-OTHER"}),
        ("00991001=x", set()),
    ],
)
def test_filters(web: httpx.Client, query: str, names: set[str]) -> None:
    found = web.get(f"/studies?{query}")
    assert found.status_code == 200, found.text
    assert set(values(found.json(), "00100020")) & {"SMALL-CT", "SMALL-MR", "SMALL-OTHER"} == names


def test_levels_and_counts(web: httpx.Client) -> None:
    series = web.get(f"/studies/{CT.uid('study')}/series").json()
    assert values(series, "0020000E") == [CT.uid("series")] and values(series, "00201209") == [6]
    instances = web.get(f"/studies/{CT.uid('study')}/series/{CT.uid('series')}/instances").json()
    assert values(instances, "00200013") == [1, 2, 3, 4, 5, 6]
    assert values(instances, "00280010") == [20] * 6 and values(instances, "00280011") == [24] * 6
    assert len(web.get(f"/studies/{CT.uid('study')}/instances").json()) == 6
    assert web.get(f"/studies/{CT.uid('study')}/series/1.2/instances").json() == []


def test_the_host_finds_a_series_without_its_study(web: httpx.Client) -> None:
    found = web.get(f"/series?SeriesInstanceUID={MR.uid('series')}").json()
    assert values(found, "0020000D") == [MR.uid("study")] and values(found, "00100020") == ["SMALL-MR"]


def test_limit_and_offset_page_through_everything(web: httpx.Client) -> None:
    everything = values(web.get("/instances?PatientID=SMALL-CT").json(), "00080018")
    pages = [values(web.get(f"/instances?PatientID=SMALL-CT&limit=4&offset={at}").json(), "00080018") for at in (0, 4)]
    assert len(everything) == 6 and pages[0] + pages[1] == everything


def test_any_attribute_can_be_asked_for(web: httpx.Client) -> None:
    url = f"/studies/{CT.uid('study')}/series"
    assert "00180050" not in web.get(url).json()[0]
    assert web.get(url + "?includefield=SliceThickness").json()[0]["00180050"]["Value"] == [18.0]
    assert web.get(url + "?includefield=all").json()[0]["00200037"]["vr"] == "DS"


@pytest.mark.parametrize("query", ["limit=many", "offset=-1", "NoSuchThing=1"])
def test_searches_that_make_no_sense_are_refused_with_a_sentence(web: httpx.Client, query: str) -> None:
    answer = web.get(f"/studies?{query}")
    assert answer.status_code == 400 and answer.json()["detail"]


def test_files_added_and_removed_while_running_are_seen(store: StoreProcess, web: httpx.Client, master: Path) -> None:
    added = store.folder / "later"
    added.mkdir()
    dataset = dcmread(next((master / "SMALL-CT").glob("*.dcm")))
    dataset.StudyInstanceUID, dataset.SOPInstanceUID, dataset.PatientID = "1.2.3", "1.2.3.4", "LATER"
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset.save_as(added / "one.dcm")
    (added / "notes.txt").write_text("not DICOM")
    (added / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"garbage")
    wait_until(lambda: len(web.get("/studies?PatientID=LATER").json()) == 1, "the new file is seen", every_s=0.2)
    shutil.rmtree(added)
    wait_until(lambda: web.get("/studies?PatientID=LATER").json() == [], "it is gone", every_s=0.2)


def test_answers_are_compressed_only_when_asked(web: httpx.Client) -> None:
    url = f"/studies/{CT.uid('study')}/metadata"
    plain, packed = web.get(url), web.get(url, headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers and packed.headers["content-encoding"] == "gzip"
    assert plain.json() == packed.json()


def test_other_names_of_this_machine_are_refused(web: httpx.Client) -> None:
    assert web.get("/studies", headers={"host": "evil.example"}).status_code == 400


def test_the_library_client_agrees(store: StoreProcess) -> None:
    client = DICOMwebClient(store.url)
    assert len(client.search_for_studies(search_filters={"PatientID": "SMALL-CT"})) == 1
    series = client.search_for_series(search_filters={"Modality": "MR"}, fields=["StudyDescription"])
    assert MR.uid("series") in values(series, "0020000E")
