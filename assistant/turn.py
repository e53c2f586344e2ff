"""One chat turn, top to bottom.

Every safety decision is on this page, in the order it is made: red flags, input rails, retrieval, model, claim gate, output
rails, record, show. A step that fails ends the turn with a safe reply; a stopped turn ends with what it has shown.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from assistant import compose, planner
from assistant.draft import draft
from assistant.ports import ChatModel, Interview, Premises, Rails, RedFlags, Retriever, SessionStore
from assistant.types import Answer, ModelUnavailable, SentenceShown, Shown, Status, Turn, TurnEvent, closing, fixed
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
    interview: Interview
    rails: Rails
    premises: Premises
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
    for event in closing(turn, turn.answer):
        await emit(event)


async def _decide(turn: Turn, deps: Deps, emit: Emit) -> Answer:
    told = planner.told(turn, deps.interview)
    flags = deps.red_flags.check(told.words, locale=turn.locale, patient=turn.patient, country=turn.country)
    turn.verdicts.append(flags)
    turn.reasons, turn.disposition = flags.reasons, "urgent" if flags.reasons else None
    if flags.stops:
        turn.disposition = "emergency"
        return Answer.saying("crisis" if flags.category == "crisis" else "emergency", flags.reply)
    if len(turn.user_text) > LONGEST:
        return Answer.saying("refusal", reply("too_long", turn.locale))
    await emit(Status("checking"))  # not before: the first wait, where a stop takes effect, comes after the red flags
    verdict = await deps.rails.check("input", told.words, turn.locale)
    turn.verdicts.append(verdict)
    if verdict.stops:
        return Answer.saying("unavailable" if verdict.category == "fault" else "refusal", verdict.reply)

    triage = planner.assessed(turn, told, deps.interview)
    if triage.questions:
        return Answer.saying("question", planner.ask(turn, told, triage))
    turn.disposition, turn.reasons = planner.graver(turn, triage)
    if turn.disposition == "emergency":
        return Answer.saying("emergency", deps.red_flags.card(turn.reasons, turn.locale, turn.country))
    await _tell(planner.advice(turn, triage, deps.interview), turn, deps, emit)

    await emit(Status("reading"))
    turn.question = planner.standalone(verdict.text or told.words, turn, deps.retriever)
    turn.evidence += await deps.retriever.search(turn.question, locale=turn.locale, k=deps.evidence_k, clinician=turn.clinician)
    lead_in, correcting = await compose.corrected(turn, deps.premises, deps.retriever)
    await _tell(lead_in, turn, deps, emit)
    for line in correcting:
        await _show(line, turn, deps, emit)
    if not turn.evidence and not turn.shown:
        said = await planner.which_topic(turn, deps.retriever)
        return Answer.saying("question" if turn.choices else "refusal", said)
    await _draft(turn, deps, emit)
    if turn.evidence and turn.path == "none":
        turn.path = "composed"
        for line in compose.body(turn.evidence, turn.locale):
            await _show(line, turn, deps, emit)
    if not turn.shown:
        return Answer.saying("refusal", reply("no_evidence", turn.locale))
    await _tell(planner.come_back(triage, turn.locale), turn, deps, emit)
    if turn.evidence and not triage.level:
        for line in compose.safety_net(turn, deps.retriever):
            await _show(line, turn, deps, emit)
    return Answer("answer", tuple(turn.shown))


async def _draft(turn: Turn, deps: Deps, emit: Emit) -> None:
    """Asks the model; shows each sentence that passes, as it comes. A model that fails leaves the answer to the passages."""
    if not turn.evidence or turn.locale not in deps.model.locales:
        return
    await emit(Status("thinking"))
    try:
        async with asyncio.timeout(deps.draft_s):
            async with aclosing(draft(deps.model, turn)) as drafted:
                async for sentence in drafted:
                    if await _show(sentence, turn, deps, emit):
                        turn.path = "model"
                    elif turn.path == "none" and len(turn.dropped) >= deps.most_dropped:
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


async def _tell(text: str, turn: Turn, deps: Deps, emit: Emit) -> None:
    """Record, show: for our own fixed words out of reviewed files."""
    for shown in fixed(text):
        await deps.store.add_sentence(turn, shown)
        turn.shown.append(shown)
        await emit(SentenceShown(shown))
