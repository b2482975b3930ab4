"""The codes in the table are what DICOM's own dictionary says they are."""

import pytest
from pydicom.sr._concepts_dict import concepts

from sam_infer.prompts.language.tables import phrase, tables
from samlabel.dicom import snomed
from samlabel.dicom.snomed import LEFT, RIGHT, meaning_of

KNOWN = {**snomed._ORGANS, **snomed._FINDINGS}
DICTIONARY = {value for entries in concepts["SCT"].values() for value in entries}
MEANINGS = {(v, e[0]) for entries in concepts["SCT"].values() for v, e in entries.items()}


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_every_code_is_in_the_concept_dictionary_with_its_meaning(name: str) -> None:
    assert KNOWN[name] in MEANINGS


def test_enough_organs_are_known() -> None:
    assert len(snomed._ORGANS) >= 12 and set(snomed._ALSO.values()) <= set(KNOWN)


@pytest.mark.parametrize("code", [snomed.ANATOMY, snomed.ABNORMAL, LEFT, RIGHT])
def test_categories_and_sides_are_in_the_dictionary(code: snomed.Code) -> None:
    assert (code.value, code.meaning) in MEANINGS


@pytest.mark.parametrize(
    ("name", "value", "side"),
    [
        ("liver", "10200004", None),
        ("Liver", "10200004", None),
        ("kidney_left", "64033007", LEFT),
        ("right kidney", "64033007", RIGHT),
        ("kidney-r", "64033007", RIGHT),
        ("left_ventricle", "87878005", None),
        ("Urinary Bladder", "89837001", None),
        ("tumour", "108369006", None),
        ("left lung", "39607008", LEFT),
    ],
)
def test_names_as_people_write_them(name: str, value: str, side: snomed.Code | None) -> None:
    meaning = meaning_of(name)
    assert (meaning.type.value, meaning.type.scheme_designator, meaning.side) == (value, "SCT", side)


@pytest.mark.parametrize("name", ["graft 3", "left thing", "l", "x" * 200, "back\\slash", "Leber"])
def test_an_unknown_name_gets_a_private_code_with_its_own_name_and_no_organs(name: str) -> None:
    code = meaning_of(name).type
    assert code.scheme_designator == "99SAMLABEL" and code.value not in DICTIONARY
    assert len(code.value) <= 16 and 1 <= len(code.meaning) <= 64 and "\\" not in code.meaning
    assert meaning_of(name).type == code != meaning_of(name + "!").type
    assert code.meaning[:4] == name.replace("\\", "/")[:4]


def test_every_code_has_a_name_in_every_language_that_readers_speak() -> None:
    english = tables()[0].anatomy
    for table in tables():
        assert {code for code, _ in KNOWN.values()} == set(table.anatomy)
    for name, (code, _) in KNOWN.items():
        assert phrase(name.replace("_", " ")) in english[code]
    for name, organ in snomed._ALSO.items():
        assert phrase(name.replace("_", " ")) in english[KNOWN[organ][0]]
