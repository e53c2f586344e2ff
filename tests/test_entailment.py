"""The reader of the claim gate: any claim against any evidence gets a defined answer, in other words and in both languages."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.e5 import WordFile, e5_file, tokenizer, unpacked
from safety.entailment import ROOM, TOKENS, Reader, encoded, held, likeliest, relevant
from safety.types import PolicyError

COOL = "Cool a heat burn under cool running water for 20 minutes. Do not put ice, butter or toothpaste on a burn."
COOL_ZH = "烫伤后应立即用流动的凉水冲洗20分钟。不要在烫伤处涂抹冰块、黄油或牙膏。"
TEA = "Green tea is grown in many countries. It is drunk hot or cold."
SAID = [
    ("Toothpaste should not be put on a burn.", COOL, True),
    ("Cool a heat burn under cool running water for 5 minutes.", COOL, False),
    ("Put ice on a burn.", COOL, False),
    ("Burns are cooled with water.", TEA, False),
    ("烫伤后要用凉水冲20分钟。", COOL_ZH, True),
    ("烫伤后应用流动的凉水冲洗5分钟。", COOL_ZH, False),
    ("烫伤处可以涂抹牙膏。", COOL_ZH, False),
    ("糖尿病会遗传。", COOL_ZH, False),
]


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


@pytest.mark.parametrize(("claim", "evidence", "expected"), SAID)
def test_the_reader_tells_what_is_said_in_other_words(reader: Reader, claim: str, evidence: str, expected: bool) -> None:
    assert held(claim, [evidence], reader)[0].supported is expected


def test_what_stands_there_word_for_word_is_certain_and_its_text_is_named(reader: Reader) -> None:
    found, index = held(
        "Do not put ice, butter or toothpaste on a burn.", [TEA, "Do not put ice, butter or toothpaste on a burn."], reader
    )
    assert (found.supported, found.score, index) == (True, 1.0, 1)


def test_a_number_that_no_text_has_is_a_problem(reader: Reader) -> None:
    found, _ = held("Cool a heat burn under cool running water for 90 minutes.", [COOL], reader)
    assert "number" in [problem.kind for problem in found.problems]


def test_five_hundred_long_texts_get_one_answer(reader: Reader) -> None:
    assert held("Toothpaste should not be put on a burn.", [TEA * 300] * 499 + [COOL], reader)[1] == 499


@pytest.mark.parametrize("empty", ["", "  ", "🙂", "…"])
def test_an_empty_claim_or_no_text_is_never_held(reader: Reader, empty: str) -> None:
    assert not held(empty, [COOL], reader)[0].supported
    assert not held("Put ice on a burn.", [], reader)[0].supported


@settings(max_examples=25, deadline=None)
@given(claim=st.text(max_size=300), texts=st.lists(st.text(max_size=300), max_size=3))
def test_any_claim_and_any_evidence_get_a_score_between_nought_and_one(reader: Reader, claim: str, texts: list[str]) -> None:
    found, _ = held(claim, texts, reader)
    assert 0.0 <= found.score <= 1.0
    assert found.supported is not bool(found.problems)


@given(claim=st.text(max_size=200), text=st.text(max_size=3_000))
def test_a_text_is_cut_to_whole_sentences_that_it_has(claim: str, text: str) -> None:
    assert len(relevant(claim, text)) <= max(ROOM.values())


def test_a_long_text_keeps_the_sentence_that_the_claim_is_about() -> None:
    text = TEA * 20 + " Nitrofurantoin can turn urine dark. " + TEA * 20
    assert "Nitrofurantoin" in relevant("Dark urine comes of nitrofurantoin.", text)
    assert likeliest("Dark urine comes of nitrofurantoin.", [TEA, text, TEA])[0] == 1


def test_the_claim_is_marked_and_never_crowded_out() -> None:
    tokens = tokenizer(WordFile.load(e5_file()))
    pair = encoded(tokens, "Gout hurts.", "Gout is painful. " * 100)
    assert len(pair.ids) == len(pair.alone) == TOKENS
    assert pair.ids[pair.claim[0] : pair.claim[1]] == tokens.encode("Gout hurts.").ids


def test_four_bit_blocks_are_unpacked_as_they_were_packed() -> None:
    block = np.concatenate([np.array([0.5], np.float16).view(np.uint8), np.full(16, 0x9F, np.uint8)])
    assert unpacked(block[None])[0].tolist() == [3.5] * 16 + [0.5] * 16


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"verify\.(json|safetensors)"):
        Reader(tmp_path).probabilities([("Gout hurts.", "Gout hurts.")])
