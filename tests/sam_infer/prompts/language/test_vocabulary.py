"""What labels may be called, in every language of the tables."""

from __future__ import annotations

from sam_infer.prompts.language.tables import phrase, tables
from sam_infer.prompts.language.vocabulary import Vocabulary, called


def test_a_side_stands_before_or_behind_in_any_language() -> None:
    names = set(called("kidney_left"))
    for said in ("kidney left", "left kidney", "linke Niere", "Niere links", "l kidney"):
        assert phrase(said) in names
    assert phrase("right kidney") not in names and phrase("kidney") not in names


def test_a_phrase_of_two_labels_means_none_but_a_labels_own_name_stays() -> None:
    words = Vocabulary(("tumor", "neoplasm")).phrases
    assert (words[phrase("tumor")], words[phrase("neoplasm")]) == ("@0", "@1")
    assert phrase("tumour") not in words


def test_a_label_that_no_table_knows_is_called_by_its_name() -> None:
    words = Vocabulary(("segment_IVb", "my label 2")).phrases
    assert words[phrase("segment ivb")] == "@0" and words[phrase("my label 2")] == "@1"


def test_every_language_has_a_word_for_everything() -> None:
    english = tables()[0]
    for table in tables():
        assert set(table.anatomy) == set(english.anatomy)
        assert set(english.words) <= set(table.words)
        assert set(table.sides) == {"left", "right"} and len(table.numbers) == 13
