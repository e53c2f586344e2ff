"""One chat turn, top to bottom.

Every safety decision is on this page, in the order it is made: red flags, input rails, retrieval, model, claim gate, output
rails, record, show. A step that fails ends the turn with a safe reply. Nothing is shown before it is checked and recorded.
A turn that is stopped ends with what it has shown, on record like any other.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass

from assistant import compose, planner
from assistant.draft import draft
from assistant.ports import ChatModel, Rails, RedFlags, Retriever, SessionStore
from assistant.types import Answer, Asked, Disposed, Done, ModelUnavailable, SentenceShown, Shown, Status, Turn, TurnEvent
from assistant.wire import recorded
from safety.grounding import check_sentence
from safety.replies import reply

log = logging.getLogger(__name__)
Emit = Callable[[TurnEvent], Awaitable[None]]
LONGEST = 4_000  # characters of a message; a longer one is not read, so it is not answered


@dataclass(frozen=True, slots=True)
class Deps:
    """What a turn needs. Built once in `assistant.app`, or from fakes in tests."""

    model: ChatModel
    retriever: Retriever
    red_flags: RedFlags
    rails: Rails
    store: SessionStore
    evidence_k: int = 4
    most_dropped: int = 2  # sentences that may fail before the first passes: then the model is not waited for
    draft_s: float = 20.0
    deadline_s: float = 60.0


async def run_turn(turn: Turn, deps: Deps, emit: Emit) -> None:
    """Take `turn` to an answer. Raises StoreFailed when it cannot be recorded; then nothing more is shown."""
    started, turn.model = time.perf_counter(), deps.model.name
    try:
        async with asyncio.timeout(0 if turn.stopped else deps.deadline_s) as turn.limit:
            turn.answer = await _decide(turn, deps, emit)
            turn.stopped = False  # it came to its end first
    except Exception as error:  # the one place where a turn may fail, and it fails closed
        turn.error = repr(error)
        if not turn.stopped:
            log.error("turn %s failed: %s", turn.id, type(error).__name__)  # an error's own words may quote a patient
        said = "" if turn.shown or turn.stopped else reply("unavailable", turn.locale)
        turn.answer = Answer("answer", tuple(turn.shown)) if turn.shown else Answer.saying("unavailable", said)
    turn.took_ms = (time.perf_counter() - started) * 1e3
    await deps.store.finish(turn, recorded(turn))
    for event in _closing(turn, turn.answer):
        await emit(event)


async def _decide(turn: Turn, deps: Deps, emit: Emit) -> Answer:
    flags = deps.red_flags.check(turn.user_text, locale=turn.locale, patient=turn.patient, country=turn.country)
    turn.verdicts.append(flags)
    turn.reasons = flags.reasons
    if flags.stops:
        turn.disposition = "emergency"
        return Answer.saying("crisis" if flags.category == "crisis" else "emergency", flags.reply)
    turn.disposition = "urgent" if flags.reasons else None
    if len(turn.user_text) > LONGEST:
        return Answer.saying("refusal", reply("too_long", turn.locale))
    await emit(Status("checking"))  # not before: the first wait, where a stop takes effect, comes after the red flags
    verdict = await deps.rails.check("input", turn.user_text, turn.locale)
    turn.verdicts.append(verdict)
    if verdict.stops:
        return Answer.saying("unavailable" if verdict.category == "fault" else "refusal", verdict.reply)

    await emit(Status("reading"))
    turn.question = planner.standalone(verdict.text or turn.user_text, turn, deps.retriever)
    asked, clinician = turn.question, turn.role == "clinician"
    turn.evidence += await deps.retriever.search(asked, locale=turn.locale, k=deps.evidence_k, clinician=clinician)
    if not turn.evidence:
        return await _which_topic(turn, deps)

    await _draft(turn, deps, emit)
    if not turn.shown:
        turn.path = "composed"
        for line in compose.body(turn.evidence, turn.locale):
            await _show(line, turn, deps, emit)
    if not turn.shown:
        return Answer.saying("refusal", reply("no_evidence", turn.locale))
    turn.evidence += compose.urgent_passages(turn.evidence, deps.retriever)
    for line in compose.safety_net(turn.evidence, turn.locale):
        await _show(line, turn, deps, emit)
    return Answer("answer", tuple(turn.shown))


async def _which_topic(turn: Turn, deps: Deps) -> Answer:
    """No topic is sure: name the one that is missing, or let the asker choose among the likely ones, once."""
    if name := deps.retriever.uncovered(turn.question):
        return Answer.saying("refusal", reply("uncovered", turn.locale).replace("{name}", name))
    topics = await deps.retriever.unsure(turn.question, locale=turn.locale) if turn.chosen is None else ()
    turn.choices = tuple((topic, deps.retriever.title(topic, turn.locale)) for topic in topics)
    if turn.choices:
        return Answer.saying("question", reply("which_topic", turn.locale))
    return Answer.saying("refusal", reply("no_evidence", turn.locale))


async def _draft(turn: Turn, deps: Deps, emit: Emit) -> None:
    """Asks the model; shows each sentence that passes, as it comes. A model that fails leaves the answer to the passages."""
    if turn.locale not in deps.model.locales:
        return
    await emit(Status("thinking"))
    try:
        async with asyncio.timeout(deps.draft_s):
            async with aclosing(draft(deps.model, turn)) as drafted:
                async for sentence in drafted:
                    if await _show(sentence, turn, deps, emit):
                        turn.path = "model"
                    elif not turn.shown and len(turn.dropped) >= deps.most_dropped:
                        return
    except (ModelUnavailable, TimeoutError) as error:
        turn.error = repr(error)


async def _show(sentence: str, turn: Turn, deps: Deps, emit: Emit) -> bool:
    """Claim gate, output rails, record, show: the only way for a sentence of an answer to reach the screen."""
    checked = check_sentence(sentence, turn.evidence, turn.locale)
    if checked.supported:
        verdict = await deps.rails.check("output", checked.text, turn.locale)
        turn.verdicts.append(verdict)
    if not checked.supported or verdict.stops or any(s.sentence.text == checked.text for s in turn.shown):
        turn.dropped.append(checked)
        return False
    passage = next(e.passage for e in turn.evidence if e.label == checked.citations[0].label)
    shown = Shown(checked, passage.ledger, passage.section)
    await deps.store.add_sentence(turn, shown)
    turn.shown.append(shown)
    await emit(SentenceShown(shown))
    return True


def _closing(turn: Turn, answer: Answer) -> Iterator[TurnEvent]:
    """What is told once the turn is on record: how urgent it is, what was not shown yet, a question back, the end."""
    if turn.disposition:
        yield Disposed(turn.disposition, turn.reasons)
    yield from (SentenceShown(shown) for shown in answer.shown[len(turn.shown) :] if answer.kind != "question")
    if turn.choices:
        yield Asked("topic", answer.shown[0].sentence.text, turn.choices)
    yield Done(turn)
