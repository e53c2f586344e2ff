"""Follow-ups take the last topic along; questions that name their own subject do not."""

import pytest

from assistant.planner import standalone
from assistant.types import Exchange, Turn
from tests.fakes import FakeRetriever

HISTORY = (Exchange("my child has a fever", "", "fever-in-children"),)


@pytest.mark.parametrize("text", ["what about at night?", "how long does it last", "and for babies"])
def test_a_follow_up_takes_the_last_topic_along(text: str) -> None:
    assert standalone(text, Turn("s", "m", text, history=HISTORY), FakeRetriever()) == f"Fever in children: {text}"


@pytest.mark.parametrize("text", ["can I take ibuprofen with psoriasis", "fever in adults"])
def test_a_question_that_names_its_subject_stands_alone(text: str) -> None:
    assert standalone(text, Turn("s", "m", text, history=HISTORY), FakeRetriever()) == text


def test_without_history_a_question_stands_as_it_is() -> None:
    assert standalone("what about it", Turn("s", "m", "x"), FakeRetriever()) == "what about it"


def test_a_topic_that_was_chosen_is_taken_along_even_by_a_full_question() -> None:
    turn = Turn("s", "m", "x", chosen="fever-in-children", locale="zh")
    assert standalone("psoriasis and ibuprofen", turn, FakeRetriever()) == "儿童发热: psoriasis and ibuprofen"
