"""The turn fails closed, shows nothing unchecked, and records before it shows."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from assistant.turn import LONGEST, Deps, run_turn
from assistant.types import Asked, Disposed, Done, Exchange, ModelUnavailable, SentenceShown, StoreFailed, Turn, TurnEvent
from retrieval.types import Evidence, StoreUnreachable
from safety.interview import Assessment
from safety.interview_rules import Choice, Complaint, Question
from safety.premises import Correction
from safety.types import Decision, Reason
from tests.fakes import (
    DRINKS,
    NICE,
    RASH,
    URGENT,
    FakeInterview,
    FakeModel,
    FakePremises,
    FakeRails,
    FakeRedFlags,
    FakeRetriever,
    FakeStore,
)

CITED = ["Offer a child with fever ", "small drinks often [E1]."]
TRUE, NET = DRINKS.text["en"], RASH.text["en"]


def deps(*script: Any, **overrides: Any) -> Deps:
    parts = {
        "model": FakeModel(list(script)), "retriever": FakeRetriever(), "red_flags": FakeRedFlags(), "rails": FakeRails(),
        "interview": FakeInterview(), "premises": FakePremises(),
        "store": FakeStore(),
    }  # fmt: skip
    return Deps(**{**parts, **overrides})


async def test_a_false_premise_is_corrected_with_a_citation_before_the_answer() -> None:
    wrong = Correction((Evidence("E2", URGENT, 0.0),), "That is not so:", (f"{RASH.text['en']} [E2]",))
    turn, shown, _ = await play(deps(CITED, premises=FakePremises(wrong)))
    assert shown == ["That is not so:", NET, TRUE]
    assert turn.shown[1].sentence.citations[0].label == "E2"


async def test_a_correction_that_its_passage_does_not_hold_is_not_shown() -> None:
    wrong = Correction((Evidence("E2", URGENT, 0.0),), "That is not so:", ("Fever is always dangerous [E2].",))
    _, shown, _ = await play(deps(CITED, premises=FakePremises(wrong)))
    assert "Fever is always dangerous." not in shown


@dataclass
class Endless(FakeModel):
    """Writes one sentence that passes, and once that is shown never ends."""

    waiting: asyncio.Event = field(default_factory=asyncio.Event)

    async def stream(self, messages: Any) -> Any:
        try:
            yield "Offer a child with fever small drinks often [E1]. And "
            self.waiting.set()
            await asyncio.Event().wait()
        finally:
            self.closed += 1


class EndlessRails(FakeRails):
    """Never decides."""

    async def check(self, direction: str, text: str, locale: Any) -> Any:
        await asyncio.Event().wait()


async def play(d: Deps, text: str = "My child has a fever", **turn: Any) -> tuple[Turn, list[str], list[TurnEvent]]:
    events: list[TurnEvent] = []

    async def emit(event: TurnEvent) -> None:
        events.append(event)

    taken, _ = await d.store.start_turn(Turn("s1", "m1", text, **turn))
    await run_turn(taken, d, emit)
    return taken, [e.shown.sentence.text for e in events if isinstance(e, SentenceShown)], events


async def test_a_sentence_that_its_passage_holds_is_shown_with_its_source() -> None:
    turn, shown, events = await play(deps(CITED))
    assert shown == [TRUE, NET]
    assert turn.path == "model"
    done = events[-1]
    assert isinstance(done, Done)
    assert turn.answer is not None
    assert turn.answer.kind == "answer"


@pytest.mark.parametrize(
    "draft",
    [
        "Aspirin is fine.",  # uncited
        "Aspirin is fine [E1].",  # not in the passage
        "Offer a child with fever small drinks often [E9].",  # no such passage
        "Sponge a child with fever with cold water [E1].",  # the opposite
        "Offer a child with fever 40 small drinks often [E1].",  # a number from nowhere
    ],
)
async def test_a_sentence_that_no_cited_passage_holds_is_dropped(draft: str) -> None:
    turn, shown, _ = await play(deps([draft]))
    assert turn.path == "composed"
    assert shown[0] == TRUE
    assert [d.text for d in turn.dropped][:1] == [draft.split(" [")[0].rstrip(".") + "."] or turn.dropped


async def test_sentences_stream_as_they_pass_and_each_is_on_record_first() -> None:
    store, order = FakeStore(), []
    d = deps(CITED, store=store)

    async def emit(event: TurnEvent) -> None:
        if isinstance(event, SentenceShown):
            order.append(len(store.sentences))

    turn, _ = await store.start_turn(Turn("s1", "m1", "fever?"))
    await run_turn(turn, d, emit)
    assert order == [1, 2]


async def test_no_evidence_means_the_model_is_never_asked() -> None:
    d = deps(retriever=FakeRetriever(()))
    turn, _, _ = await play(d)
    assert turn.answer is not None
    assert turn.answer.kind == "refusal"
    assert d.model.seen == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("category", ["emergency", "crisis"])
async def test_a_red_flag_shows_the_card_and_calls_nothing_else(category: str) -> None:
    d = deps(red_flags=FakeRedFlags(category, (Reason("r", "why"),)))
    turn, shown, events = await play(d)
    assert shown[0] == "Call an ambulance now."
    assert turn.answer is not None
    assert turn.answer.kind == category
    assert any(isinstance(e, Disposed) and e.level == "emergency" for e in events)
    assert d.retriever.asked == []  # type: ignore[attr-defined]
    assert d.rails.read == []  # type: ignore[attr-defined]


async def test_an_urgent_reason_gives_a_disposition_beside_the_answer() -> None:
    _, shown, events = await play(deps(CITED, red_flags=FakeRedFlags("", (Reason("r", "why"),))))
    assert TRUE in shown
    assert any(isinstance(e, Disposed) and e.level == "urgent" for e in events)


BROKEN = {
    "red flags": {"red_flags": FakeRedFlags(error=RuntimeError("boom"))},
    "input rails": {"rails": FakeRails(input=TimeoutError())},
    "output rails": {"rails": FakeRails(output=TimeoutError())},
    "retrieval": {"retriever": FakeRetriever(StoreUnreachable("down"))},
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_whatever_breaks_the_turn_fails_closed_and_is_recorded(broken: str) -> None:
    d = deps(CITED, **BROKEN[broken])
    turn, shown, events = await play(d)
    assert turn.answer is not None
    assert turn.answer.kind == "unavailable"
    assert turn.error
    assert TRUE not in shown
    assert [t.id for t, _ in d.store.finished] == [turn.id]  # type: ignore[attr-defined]
    assert isinstance(events[-1], Done)


async def test_a_model_that_is_down_leaves_the_answer_to_the_passages() -> None:
    turn, shown, _ = await play(deps(ModelUnavailable("down")))
    assert shown == [TRUE, "Do not sponge a child with fever with cold water.", NET]
    assert turn.path == "composed"
    assert "down" in turn.error


async def test_a_fault_in_the_model_that_nobody_foresaw_fails_closed() -> None:
    turn, shown, _ = await play(deps(ZeroDivisionError()))
    assert turn.answer is not None
    assert turn.answer.kind == "unavailable"
    assert TRUE not in shown


@pytest.mark.parametrize("decision", [Decision.STOP, Decision.ESCALATE])
async def test_what_the_output_rails_stop_is_never_shown(decision: Decision) -> None:
    turn, shown, _ = await play(deps(CITED, rails=FakeRails(output=decision)))
    assert TRUE not in shown
    assert turn.answer is not None
    assert turn.answer.kind == "refusal"


async def test_the_input_rails_stop_before_retrieval() -> None:
    d = deps(rails=FakeRails(input=Decision.STOP))
    turn, shown, _ = await play(d)
    assert turn.answer is not None
    assert turn.answer.kind == "refusal"
    assert "outside" in shown[0]
    assert d.retriever.asked == []  # type: ignore[attr-defined]


async def test_retrieval_and_the_model_see_only_the_masked_text() -> None:
    d = deps(CITED, rails=FakeRails(input=Decision.MASK, masked="my child has a fever"))
    await play(d, "I am John Smith and my child has a fever")
    assert d.retriever.asked == ["my child has a fever"]  # type: ignore[attr-defined]
    assert "John" not in str(d.model.seen)  # type: ignore[attr-defined]


@pytest.mark.parametrize("call", ["add_sentence", "finish"])
async def test_nothing_is_shown_that_could_not_be_recorded(call: str) -> None:
    events: list[TurnEvent] = []

    async def emit(event: TurnEvent) -> None:
        events.append(event)

    d = deps(CITED, store=FakeStore(broken=call), rails=FakeRails(input=Decision.STOP) if call == "finish" else FakeRails())
    turn, _ = await d.store.start_turn(Turn("s1", "m1", "fever?"))
    if call == "finish":
        with pytest.raises(StoreFailed):
            await run_turn(turn, d, emit)
        assert not any(isinstance(e, SentenceShown | Done) for e in events)
    else:
        await run_turn(turn, d, emit)
        assert TRUE not in [e.shown.sentence.text for e in events if isinstance(e, SentenceShown)]
        assert turn.answer is not None
        assert turn.answer.kind == "unavailable"


async def test_a_client_that_hangs_up_is_still_recorded() -> None:
    d = deps(CITED)
    turn, _ = await d.store.start_turn(Turn("s1", "m1", "fever?"))

    async def gone(event: TurnEvent) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await run_turn(turn, d, gone)
    assert len(d.store.finished) == 1  # type: ignore[attr-defined]


async def test_a_turn_that_is_stopped_keeps_what_it_showed_and_is_recorded_as_stopped() -> None:
    d, events = deps(model=Endless()), []

    async def emit(event: TurnEvent) -> None:
        events.append(event)
        if isinstance(event, SentenceShown):
            turn.stop()
            turn.stop()  # twice is as good as once

    turn, _ = await d.store.start_turn(Turn("s1", "m1", "fever?"))
    await run_turn(turn, d, emit)
    assert turn.stopped
    assert turn.answer is not None
    assert turn.answer.kind == "answer"
    assert [s.sentence.text for s in turn.answer.shown] == [TRUE]
    assert [recorded["stopped"] for _, recorded in d.store.finished] == [True]  # type: ignore[attr-defined]
    assert isinstance(events[-1], Done)
    assert d.model.closed == 1  # type: ignore[attr-defined]


async def test_a_turn_that_is_stopped_before_anything_is_shown_says_nothing() -> None:
    turn, shown, events = await play(deps(rails=EndlessRails()), stopped=True)
    assert shown == []
    assert turn.answer is not None
    assert turn.answer.kind == "unavailable"
    assert isinstance(events[-1], Done)


async def test_how_urgent_it_is_is_told_even_when_a_turn_is_stopped() -> None:
    d = deps(rails=EndlessRails(), red_flags=FakeRedFlags("", (Reason("r", "why"),)))
    _, _, events = await play(d, stopped=True)
    assert any(isinstance(e, Disposed) and e.level == "urgent" for e in events)


@pytest.mark.parametrize("category", ["emergency", "crisis"])
async def test_a_card_is_shown_whole_even_when_its_turn_is_stopped(category: str) -> None:
    turn, shown, _ = await play(deps(red_flags=FakeRedFlags(category)), stopped=True)
    assert turn.answer is not None
    assert turn.answer.kind == category
    assert shown == ["Call an ambulance now.", "Stay with the person."]
    assert not turn.stopped


async def test_a_turn_that_has_its_answer_cannot_be_stopped() -> None:
    turn, _, _ = await play(deps(CITED))
    turn.stop()
    assert not turn.stopped


async def test_a_turn_that_takes_too_long_is_not_a_stopped_one() -> None:
    turn, shown, _ = await play(deps(model=Endless(), draft_s=60, deadline_s=0.05))
    assert shown == [TRUE]
    assert not turn.stopped
    assert "Timeout" in turn.error


async def test_the_model_is_not_waited_for_once_its_first_sentences_fail() -> None:
    model = FakeModel(
        [["Wrong one. ", "Wrong two. ", "Wrong three. ", "Offer a child with fever small drinks often [E1]. ", "x"]]
    )
    turn, _, _ = await play(deps(model=model))
    assert turn.path == "composed"
    assert model.closed == 1
    assert "three" not in " ".join(d.text for d in turn.dropped)


async def test_a_model_that_does_not_speak_the_language_is_not_asked() -> None:
    model = FakeModel([], locales=("en",))
    turn, shown, _ = await play(deps(model=model), "孩子发烧怎么办", locale="zh")
    assert shown[0] == DRINKS.text["zh"]
    assert turn.path == "composed"
    assert model.seen == []


async def test_a_message_that_is_too_long_is_not_read() -> None:
    turn, shown, _ = await play(deps(), "a" * (LONGEST + 1))
    assert turn.answer is not None
    assert turn.answer.kind == "refusal"
    assert "too long" in shown[0]


async def test_a_follow_up_takes_the_last_topic_along() -> None:
    d = deps(CITED, store=FakeStore(history=(Exchange("fever?", "", "fever-in-children"),)))
    turn, _, _ = await play(d, "and what about that?")
    assert turn.question == "Fever in children: and what about that?"


async def test_when_no_topic_is_sure_the_asker_chooses_and_is_then_answered() -> None:
    d = deps(retriever=FakeRetriever((), likely=("fever-in-children",)))
    turn, shown, events = await play(d, "he is hot")
    assert turn.answer is not None
    assert turn.answer.kind == "question"
    assert shown == []
    asked = next(e for e in events if isinstance(e, Asked))
    assert asked.choices == (("fever-in-children", "Fever in children"),)
    again = deps(CITED)
    turn, shown, _ = await play(again, "he is hot", chosen="fever-in-children")
    assert turn.question == "Fever in children: he is hot"
    assert shown[0] == TRUE


async def test_an_asker_whom_no_choice_fits_is_not_asked_again() -> None:
    turn, shown, _ = await play(deps(retriever=FakeRetriever((), likely=("fever-in-children",))), "he is hot", chosen="")
    assert turn.answer is not None
    assert turn.answer.kind == "refusal"
    assert "couldn't find" in shown[0]


async def test_a_subject_without_a_topic_is_named_in_the_refusal() -> None:
    d = deps()
    turn, shown, _ = await play(d, "can malaria be cured")
    assert turn.answer is not None
    assert turn.answer.kind == "refusal"
    assert "“malaria”" in shown[0]
    assert d.model.seen == []  # type: ignore[attr-defined]


async def test_an_emergency_is_seen_in_a_message_that_is_too_long_to_answer() -> None:
    turn, shown, _ = await play(deps(red_flags=FakeRedFlags("emergency")), "a" * (LONGEST + 1))
    assert turn.answer is not None
    assert turn.answer.kind == "emergency"
    assert shown[0] == "Call an ambulance now."


THROAT = Question(
    "sore-throat/airway",
    {"en": "Is any of these happening?", "zh": "有没有下面的情况？"},
    (Choice("drooling", {"en": "drooling", "zh": "流口水"}, concept="drooling"),),
)
SORE = Complaint(
    "sore-throat", {"en": "sore throat", "zh": "咽喉痛"}, (), (), (0, 150), frozenset(), "self_care", {}, (), (THROAT,), (), NICE, "", 1
)  # fmt: skip
ASKING = Assessment("self_care", (), SORE, (THROAT,))
HOME = Assessment("self_care", (Reason("sore-throat", "Most get better within a week."),), SORE, (), ("You cannot swallow.",))


async def test_before_it_advises_it_asks_what_decides_how_urgent_it_is() -> None:
    d = deps(interview=FakeInterview([ASKING], {THROAT.id: THROAT}))
    turn, shown, events = await play(d, "sore throat")
    assert turn.answer is not None
    assert (turn.answer.kind, shown) == ("question", [])
    asked = next(e for e in events if isinstance(e, Asked))
    assert asked.question_id == THROAT.id
    assert asked.text.endswith("Is any of these happening?")
    assert [value for value, _ in asked.choices] == ["drooling", "none", "unsure"]
    assert turn.evidence == []


async def test_the_last_reply_gives_a_level_its_reason_and_when_to_come_back() -> None:
    interview = FakeInterview([HOME], {THROAT.id: THROAT})
    d = deps(CITED, interview=interview, store=FakeStore(history=(Exchange("sore throat", "", "", THROAT.id),)))
    turn, shown, events = await play(d, "none")
    assert interview.heard == [("sore throat", ((THROAT.id, "none"),))]
    assert (turn.disposition, turn.question) == ("self_care", "sore throat")
    assert shown[:2] == ["Act: self_care.", "Most get better within a week."]
    assert TRUE in shown
    assert shown[-1] == "You cannot swallow."
    assert Disposed("self_care", HOME.reasons) in events


async def test_an_interview_that_finds_an_emergency_shows_the_card_and_asks_no_model() -> None:
    reasons = (Reason("sore-throat/airway", "The airway may be blocked."),)
    d = deps(interview=FakeInterview([Assessment("emergency", reasons)]))
    turn, shown, _ = await play(d, "sore throat, drooling")
    assert turn.answer is not None
    assert turn.answer.kind == "emergency"
    assert shown == ["Call an ambulance now.", "The airway may be blocked."]
    assert turn.evidence == []


async def test_an_urgent_red_flag_outweighs_a_lower_level_of_the_interview() -> None:
    flag = Reason("bite", "A bite needs treatment today.")
    d = deps(CITED, red_flags=FakeRedFlags(reasons=(flag,)), interview=FakeInterview([HOME]))
    turn, shown, _ = await play(d)
    assert turn.disposition == "urgent"
    assert shown[:2] == ["Act: urgent.", "A bite needs treatment today."]


async def test_a_level_is_told_even_when_no_guideline_answers() -> None:
    d = deps(retriever=FakeRetriever(()), interview=FakeInterview([HOME]))
    turn, shown, _ = await play(d, "sore throat for two days")
    assert turn.answer is not None
    assert turn.answer.kind == "answer"
    assert shown[0] == "Act: self_care."


async def test_what_the_interview_says_is_not_shown_when_it_cannot_be_recorded() -> None:
    turn, shown, _ = await play(deps(interview=FakeInterview([HOME]), store=FakeStore(broken="add_sentence")))
    assert turn.answer is not None
    assert turn.answer.kind == "unavailable"
    assert "Act: self_care." not in shown


async def test_where_no_complaint_is_known_only_what_cannot_wait_is_said() -> None:
    turn, shown, _ = await play(deps(CITED, interview=FakeInterview([Assessment("routine")])))
    assert (turn.disposition, shown[0]) == (None, TRUE)
    reasons = (Reason("reads-like-urgent", "It should not wait."),)
    turn, shown, _ = await play(deps(CITED, interview=FakeInterview([Assessment("urgent", reasons)])))
    assert (turn.disposition, shown[:2]) == ("urgent", ["Act: urgent.", "It should not wait."])


async def test_a_clinician_is_not_interviewed() -> None:
    d = deps(CITED, interview=FakeInterview([ASKING], {THROAT.id: THROAT}))
    turn, _, _ = await play(d, "sore throat", role="clinician")
    assert turn.answer is not None
    assert turn.answer.kind == "answer"
