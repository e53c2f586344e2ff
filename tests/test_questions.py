"""Cue words point to sections, in both languages."""

import pytest

from retrieval.questions import asked_sections, without_cues
from retrieval.spelling import Speller


@pytest.mark.parametrize(
    ("question", "section"),
    [
        ("What causes gout?", "causes"),
        ("How long does flu last?", "overview"),
        ("Can I take ibuprofen?", "medicines"),
        ("When should I see a doctor about a cough?", "get_help.urgent"),
        ("my reading is 150/95", "diagnosis"),
        ("痛风怎么引起的", "causes"),
        ("流感传染吗", "overview"),
        ("怀孕能吃吗", "special_groups"),
        ("什么情况下要去医院急诊", "get_help.emergency"),
    ],
)
def test_a_question_points_to_its_section(question: str, section: str) -> None:
    assert section in asked_sections(question)


def test_a_question_without_cues_points_nowhere() -> None:
    assert asked_sections("gout") == frozenset()


def test_what_is_left_without_cues_names_the_subject() -> None:
    assert without_cues("What causes gout?").split() == ["what", "gout?"]


def test_a_misspelt_word_becomes_the_nearest_known_one() -> None:
    speller = Speller({"asthma", "eczema", "migrain"})
    assert speller.mend("is astma worse than exzema") == "is asthma worse than eczema"


@pytest.mark.parametrize("text", ["the cat sat", "gout", "Xyzzyqqq", "银屑病 xx", ""])
def test_what_people_do_write_or_nobody_knows_stays(text: str) -> None:
    assert Speller({"asthma"}).mend(text) == text
