"""Follow-ups take the last topic along; questions that name their own subject do not."""

import pytest

from assistant.planner import ask, standalone, told
from assistant.types import Exchange, Turn
from safety.interview import Assessment
from safety.interview_rules import Choice, Question
from tests.fakes import FakeInterview, FakeRetriever

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


AIRWAY = Question(
    "throat/airway",
    {"en": "Any of these?", "zh": "有没有？"},
    (
        Choice("drooling", {"en": "drooling", "zh": "流口水"}, concept="drooling"),
        Choice("stridor", {"en": "noisy breathing", "zh": "呼吸有声"}, concept="stridor"),
    ),
)
DAYS = Question(
    "throat/days",
    {"en": "How long?", "zh": "多久？"},
    (Choice("d10", {"en": "a week", "zh": "一周"}, measure=("duration", 14_400)),),
)
INTERVIEW = FakeInterview(known={AIRWAY.id: AIRWAY, DAYS.id: DAYS})


def test_a_reply_is_read_with_the_interview_that_it_belongs_to() -> None:
    history = (
        Exchange("older question", "", ""),
        Exchange("sore throat", "", "", AIRWAY.id),
        Exchange("none", "", "", DAYS.id),
    )
    found = told(Turn("s", "m", "d10", history=history), INTERVIEW)
    assert found.text == "sore throat"
    assert found.replies == ((AIRWAY.id, "none"), (DAYS.id, "d10"))
    assert found.words == "sore throat. a week"


def test_what_was_tapped_is_read_in_the_words_in_which_it_was_offered() -> None:
    turn = Turn("s", "m", "drooling,stridor", history=(Exchange("嗓子疼", "", "", AIRWAY.id),), locale="zh")
    assert told(turn, INTERVIEW).words == "嗓子疼. 流口水, 呼吸有声"


@pytest.mark.parametrize("text", ["can I take ibuprofen?", "能吃布洛芬吗"])
def test_a_reply_that_asks_something_else_begins_anew(text: str) -> None:
    found = told(Turn("s", "m", text, history=(Exchange("sore throat", "", "", AIRWAY.id),)), INTERVIEW)
    assert (found.text, found.replies) == (text, ())


def test_none_and_not_sure_are_offered_but_none_only_where_signs_are_asked_for() -> None:
    turn = Turn("s", "m", "sore throat")
    assert ask(turn, told(turn, INTERVIEW), Assessment("routine", questions=(AIRWAY,))).endswith("Any of these?")
    assert [value for value, _ in turn.choices] == ["drooling", "stridor", "none", "unsure"]
    ask(turn, told(turn, INTERVIEW), Assessment("routine", questions=(DAYS,)))
    assert [value for value, _ in turn.choices] == ["d10", "unsure"]
