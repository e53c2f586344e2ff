"""The claim gate: what a passage holds passes, what it does not hold is dropped, in both languages alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.topics import load_topics
from retrieval.types import Evidence, Locale
from safety.grounding import best_support, check_sentence, support
from tests.fakes import DRINKS, FEVER, claim, passage

DOSE = "Adults can take paracetamol 500 mg to 1 g up to 4 times a day, at most 4 g in 24 hours."
DOSE_ZH = "成人可服用对乙酰氨基酚，每次500毫克至1克，每日最多4次，24小时内不超过4克。"
HELD = [
    (DOSE, "Adults can take paracetamol 500 mg to 1 g up to 4 times a day.", True),
    (DOSE, "Adults can take paracetamol 500 mg to 1 g up to 6 times a day.", False),  # number swapped
    (DOSE, "Adults can take paracetamol 500 g to 1 g up to 4 times a day.", False),  # unit swapped
    (DOSE, "Adults can take ibuprofen 500 mg to 1 g up to 4 times a day.", False),  # drug swapped
    (DOSE, "Children can take paracetamol 500 mg to 1 g up to 4 times a day.", False),  # population swapped
    (DOSE, "Adults cannot take paracetamol 500 mg to 1 g up to 4 times a day.", False),  # negation flipped
    (DOSE, "Take paracetamol 500 mg to 1 g up to 4 times a day.", False),  # population dropped
    ("Antibiotics do not treat flu.", "Antibiotics treat flu.", False),
    ("Antibiotics do not treat flu.", "Antibiotics don't treat flu.", True),
    ("Exercise lowers blood pressure.", "Exercise raises blood pressure.", False),
    ("Do not stop warfarin without advice.", "Stop warfarin without advice.", False),
    ("Call an ambulance if chest pain spreads to the arm.", "Call an ambulance for chest pain that spreads to the arm.", False),
    ("Migraine may last 3 days.", "Migraine will definitely last 3 days.", False),
    ("Gout is not contagious.", "Gout is not contagious.", True),
    (DOSE_ZH, "成人可服用对乙酰氨基酚，每次500毫克至1克，每日最多4次。", True),
    (DOSE_ZH, "成人可服用对乙酰氨基酚，每次500毫克至1克，每日最多6次。", False),
    (DOSE_ZH, "成人可服用布洛芬，每次500毫克至1克，每日最多4次。", False),
    (DOSE_ZH, "儿童可服用对乙酰氨基酚，每次500毫克至1克，每日最多4次。", False),
    (DOSE_ZH, "成人不可服用对乙酰氨基酚，每次500毫克至1克，每日最多4次。", False),
    ("抗生素不能治疗流感。", "抗生素能治疗流感。", False),
    ("运动可以降低血压。", "运动可以升高血压。", False),
    ("痛风不会传染。", "痛风不会传染。", True),
]


@pytest.mark.parametrize(("text", "sentence", "held"), HELD)
def test_the_gate_decides(text: str, sentence: str, held: bool) -> None:
    found = support(sentence, text)
    assert found.supported is held, found.problems


def test_every_claim_of_the_project_holds_itself() -> None:
    locales: tuple[Locale, ...] = ("en", "zh")
    for topic in load_topics():
        for claims in topic.sections.values():
            for one in claims:
                for locale in locales:
                    found = support(one.say(locale), one.say(locale))
                    assert found.supported, (one.id, locale, found.problems)


def test_a_sentence_without_a_known_label_is_uncited() -> None:
    for said in ("Offer a child with fever small drinks often.", "Offer a child with fever small drinks often [E7]."):
        checked = check_sentence(said, [FEVER], "en")
        assert not checked.supported
        assert checked.problems[0].kind == "uncited"


def test_a_citation_names_the_claim_that_holds_the_sentence() -> None:
    checked = check_sentence("Offer a child with fever small drinks often [E1].", [FEVER], "en")
    assert checked.supported
    assert checked.text == "Offer a child with fever small drinks often."
    assert checked.citations[0].claim_ids == (DRINKS.id,)


def test_a_sentence_that_mixes_two_claims_is_dropped() -> None:
    both = passage(
        "t/a#x", claim("t/a#x", "Gout hurts at night.", "痛风夜间疼痛。"), claim("t/a#y", "Tea is allowed.", "可以喝茶。")
    )
    assert not check_sentence("Gout hurts at night and tea is allowed [E1].", [Evidence("E1", both, 1.0)], "en").supported


@pytest.mark.parametrize("empty", ["", "   ", "…", "🙂🙂"])
def test_an_empty_claim_is_never_supported(empty: str) -> None:
    assert not best_support(empty, ["Gout hurts."]).supported
    assert not best_support("Gout hurts.", [empty]).supported


def test_no_evidence_supports_nothing_and_five_hundred_texts_are_searched() -> None:
    assert not best_support("Gout hurts.", []).supported
    assert best_support("Gout hurts at night.", ["Tea is allowed."] * 499 + ["Gout hurts at night."]).supported


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_two_texts_get_a_decision(one: str, other: str) -> None:
    assert 0.0 <= support(one, other).score <= 1.0
