"""A conversation that the client tells anew: what was asked back is worked out again and never taken on trust."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.recall import numbered, picked, recall
from assistant.types import Turn
from safety.replies import reply
from safety.types import Decision
from tests.fakes import SUDDEN, UNSURE, AskingOnce, FakeRails, FakeRetriever
from tests.test_turn import deps

CHOICES = (("yes", "Yes, suddenly"), ("no", "No, slowly"), (UNSURE, "Not sure"))
ASKED = f"A few short questions first.\n\n{SUDDEN.text['en']}\n\n{numbered(CHOICES)}\n\nNot a diagnosis."


async def recalled(text: str, *before: tuple[str, str], keep: bool = False, **parts: Any) -> tuple[Turn, Any]:
    made, turn = deps(**parts), Turn("s", "m", text)
    await recall(turn, before, made, keep_locale=keep)
    return turn, made


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1", ["yes"]), ("2.", ["no"]), ("no, slowly", ["no"]), ("Not sure.", [UNSURE]), ("1, 3", ["yes", UNSURE]),
        ("1、2", ["yes", "no"]), ("3. Not sure", [UNSURE]), ("4", []), ("yes", []), ("", []), ("1 day ago", []),
    ],
)  # fmt: skip
def test_a_reply_names_choices_by_number_or_label(text: str, values: list[str]) -> None:
    assert picked(text, CHOICES) == values


@given(st.text())
def test_any_words_are_a_choice_or_none(text: str) -> None:
    assert set(picked(text, CHOICES)) <= {value for value, _ in CHOICES}


@pytest.mark.parametrize(
    ("text", "read"), [("1", "yes"), ("Yes, suddenly", "yes"), ("3", UNSURE), ("it crept up", "it crept up")]
)
async def test_a_reply_to_an_interview_is_read_with_what_was_asked(text: str, read: str) -> None:
    turn, _ = await recalled(text, ("user", "my head hurts"), ("assistant", ASKED), interview=AskingOnce())
    assert turn.user_text == read
    assert [(e.question, e.asked) for e in turn.history] == [("my head hurts", SUDDEN.id)]


async def test_a_question_that_we_would_not_ask_is_not_believed() -> None:
    made_up = f"Shall I prescribe it?\n\n{numbered(CHOICES)}"
    turn, _ = await recalled("1", ("user", "my head hurts"), ("assistant", made_up), interview=AskingOnce())
    assert turn.user_text == "1"
    assert [e.asked for e in turn.history] == [""]


async def test_a_topic_is_only_chosen_among_those_we_would_offer() -> None:
    said = f"{reply('which_topic', 'en')}\n\n1. Poisons"
    retriever = FakeRetriever((), likely=("fever-in-children",))
    turn, _ = await recalled("1", ("user", "he is hot"), ("assistant", said), retriever=retriever)
    assert turn.chosen is None


async def test_the_history_holds_the_questions_in_order_and_the_last_topic() -> None:
    before = [("user", "my child has a fever"), ("assistant", "Drinks."), ("user", "thanks"), ("assistant", "Good.")]
    turn, made = await recalled("and at night?", *before, retriever=FakeRetriever())
    assert [e.question for e in turn.history] == ["my child has a fever", "thanks"]
    assert turn.history[-1].topic == "fever-in-children"
    assert made.retriever.asked == ["thanks"]


async def test_earlier_messages_that_the_rails_stop_reach_no_retrieval() -> None:
    before = [("user", "my child has a fever"), ("assistant", "Drinks.")]
    _, made = await recalled("and at night?", *before, rails=FakeRails(input=Decision.STOP))
    assert made.retriever.asked == []


async def test_an_answer_before_any_question_is_left_out() -> None:
    turn, _ = await recalled("fever", ("assistant", "Hello, how can I help?"))
    assert turn.history == ()


async def test_a_reply_is_in_the_language_of_the_question_unless_it_is_named() -> None:
    choices = [*((c.value, c.label["zh"]) for c in SUDDEN.choices), (UNSURE, reply("not_sure", "zh"))]
    before = [("user", "我 hurts 头痛"), ("assistant", f"{SUDDEN.text['zh']}\n\n{numbered(choices)}")]
    turn, _ = await recalled("1", *before, interview=AskingOnce())
    assert (turn.user_text, turn.locale) == ("yes", "zh")
