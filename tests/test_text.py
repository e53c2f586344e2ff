"""Words and sentences, in both languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.text import is_chinese, sentences, split_sentences, terms, weight, weighted_terms


def test_inflected_forms_share_a_stem() -> None:
    assert terms("headaches") == terms("headache")


def test_lay_words_and_medical_words_meet_across_languages() -> None:
    assert set(terms("fever")) & set(terms("发烧"))


def test_an_apostrophe_does_not_split_a_word() -> None:
    assert terms("I can't sleep") == terms("i cant sleep")


def test_a_verb_does_not_hide_its_object_in_chinese() -> None:
    assert "啤酒" in "".join(terms("痛风能喝啤酒吗")) or "x_beer" in terms("痛风能喝啤酒吗")


def test_rare_words_weigh_more_than_everyday_ones() -> None:
    assert weight("psoriasis", "en") > weight("pain", "en") > weight("people", "en")
    assert weighted_terms("what causes psoriasis")["psoriasi"] == 1.0


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Take 0.5 mg a day. Then stop.", ["Take 0.5 mg a day.", "Then stop."]),
        ("Drink water [E1]. Rest [E2].", ["Drink water [E1].", "Rest [E2]."]),
        ("Drink water. [E1] Rest. [E2]", ["Drink water [E1].", "Rest [E2]."]),
        ("多喝水[E1]。好好休息！", ["多喝水[E1]。", "好好休息！"]),
        ("", []),
        ("one\ntwo", ["one", "two"]),
    ],
)
def test_sentences_are_split_with_their_labels(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


def test_a_growing_text_keeps_its_spaces() -> None:
    *whole, rest = split_sentences("Drink water. Offer small ")
    assert whole == ["Drink water."]
    assert rest + "drinks." == "Offer small drinks."


@pytest.mark.parametrize(
    ("text", "expected"), [("头痛怎么办", True), ("headache", False), ("我吃了 ibuprofen 头还是很痛", True), ("", False)]
)
def test_the_language_of_a_text_is_told_by_its_characters(text: str, expected: bool) -> None:
    assert is_chinese(text) is expected


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    assert all(isinstance(word, str) for word in terms(text))
    assert all(0.0 <= w <= 1.0 for w in weighted_terms(text).values())
    assert all(part.strip() for part in sentences(text))


def test_a_name_in_two_scripts_meets_its_twin() -> None:
    assert terms("1型糖尿病能治好吗")[0] == terms("type 1 diabetes")[0]
