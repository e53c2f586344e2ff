"""The reading level is Flesch and Kincaid's in English, lengths between marks in Chinese."""

import pytest

from finetune.reading import figures, grade, in_answers, stretches
from retrieval.types import Claim

EASY, HARD = (
    "The cat sat on the mat.",
    "Pharmacological interventions necessitate multidisciplinary evaluation of comorbidities.",
)


def test_short_words_and_sentences_are_easy() -> None:
    assert grade(EASY) < 3 < 12 < grade(HARD)
    assert grade("") == grade("，。") == 0.0
    assert grade(f"{EASY} {EASY}") == pytest.approx(grade(EASY))


def test_chinese_is_measured_between_marks() -> None:
    assert stretches("多喝水，注意休息。发热超过三天，请就医！") == [3, 4, 6, 3]
    assert stretches("") == []


def test_shares_are_of_claims_and_of_answers() -> None:
    claims = [Claim(f"t/s#{n}", {"en": text, "zh": "多喝水。"}, ()) for n, text in enumerate([EASY] * 4 + [HARD] * 4)]
    told = figures(claims)
    assert (told["claims_at_or_under_8"], told["answers_at_or_under_8"], told["zh_claims_with_short_stretches"]) == (
        0.5,
        0.5,
        1.0,
    )
    assert [len(group) for group in in_answers(claims[:6])] == [4, 2]
