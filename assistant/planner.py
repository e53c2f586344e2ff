"""Reads a message in the light of the conversation: what it asks, what is still to be asked before it is advised on."""

from collections.abc import Sequence
from dataclasses import dataclass

from assistant.ports import Interview, Retriever
from assistant.types import Turn
from retrieval.questions import without_cues
from retrieval.text import weighted_terms
from retrieval.types import Locale
from safety.facts import NONE, UNSURE
from safety.interview import Assessment
from safety.replies import reply
from safety.types import Disposition, Reason

NAMES_A_SUBJECT = 0.9  # the word weight from which a message is taken to name its own subject
_ASKS = ("?", "？", "吗", "呢")


@dataclass(frozen=True, slots=True)
class Told:
    """A complaint with the replies to the questions asked about it so far."""

    text: str
    replies: tuple[tuple[str, str], ...] = ()  # (question id, what was replied)
    words: str = ""  # all of it as it may be read: choices in the words in which they were offered


def told(turn: Turn, interview: Interview) -> Told:
    """The message with the interview that it belongs to. A reply that asks something else begins anew."""
    texts, asked = [turn.user_text], list[str]()
    for exchange in reversed(turn.history):
        question = interview.question(exchange.asked) if exchange.asked else None
        if question is None or _asks_else(texts[-1]):
            break
        asked.append(exchange.asked)
        texts.append(exchange.question)
    texts.reverse()
    replies = tuple(zip(reversed(asked), texts[1:], strict=True))
    said = [texts[0], *(_in_words(interview, question, text, turn.locale) for question, text in replies)]
    return Told(texts[0], replies, ". ".join(text for text in said if text))


def _asks_else(text: str) -> bool:
    return text.rstrip().endswith(_ASKS)


def _in_words(interview: Interview, question_id: str, text: str, locale: Locale) -> str:
    """A reply as it may be read: the labels of what was tapped; nothing for "none of these"; other words as they are."""
    question = interview.question(question_id)
    labels = {choice.value: choice.label[locale] for choice in question.choices} if question else {}
    values = [value.strip() for value in text.split(",")]
    if all(value in labels or value in (NONE, UNSURE) for value in values):
        return ", ".join(labels[value] for value in values if value in labels)
    return text


def assessed(turn: Turn, so_far: Told, interview: Interview) -> Assessment:
    """Where the interview stands: nothing is to be asked of a clinician, nor of somebody who has just chosen a topic."""
    if turn.role != "patient" or turn.chosen is not None:
        return Assessment(None)
    found = interview.assess(so_far.text, locale=turn.locale, patient=turn.patient, replies=so_far.replies)
    # Where no complaint is known, only what cannot wait is said; the rest is answered from the guidelines.
    return Assessment(None) if found.complaint is None and found.level in ("routine", "self_care") else found


def ask(turn: Turn, so_far: Told, assessment: Assessment) -> str:
    """Puts the next question to the turn; the words to say with it."""
    question = assessment.questions[0]
    turn.asks = question.id
    offered = [(choice.value, choice.label[turn.locale]) for choice in question.choices]
    if question.concepts:
        offered.append((NONE, reply("none_of_these", turn.locale)))
    turn.choices = (*offered, (UNSURE, reply("not_sure", turn.locale)))
    opening = "" if so_far.replies else reply("interview", turn.locale) + "\n"
    return opening + question.text[turn.locale]


def graver(turn: Turn, assessment: Assessment) -> tuple[Disposition | None, tuple[Reason, ...]]:
    """The level and its reasons: the interview's, unless the red flags said more."""
    if assessment.level is None or (turn.disposition == "urgent" and assessment.level in ("routine", "self_care")):
        return turn.disposition, turn.reasons
    return assessment.level, assessment.reasons


def advice(turn: Turn, assessment: Assessment, interview: Interview) -> str:
    """What to do and why, one sentence a line; nothing where the interview has no say."""
    if assessment.level is None or turn.disposition is None:
        return ""
    return "\n".join((interview.act(turn.disposition, turn.locale), *(reason.text for reason in turn.reasons)))


def come_back(assessment: Assessment, locale: Locale) -> str:
    """When to come back or call, one sentence a line."""
    return "\n".join((reply("come_back", locale), *assessment.come_back)) if assessment.come_back else ""


def standalone(text: str, turn: Turn, retriever: Retriever) -> str:
    """The message as a question that can be looked up alone: "what about children?" takes the last topic along.

    A topic that the asker has just chosen is always taken along.
    """
    last = next((exchange.topic for exchange in reversed(turn.history) if exchange.topic), "")
    topic = turn.chosen or ("" if _names_its_subject(text, retriever) else last)
    return f"{retriever.title(topic, turn.locale)}: {text}" if topic else text


async def which_topic(turn: Turn, retriever: Retriever) -> str:
    """What to say when no topic is sure: the one that is missing, or a question which of the likely ones is meant, once."""
    if name := retriever.uncovered(turn.question):
        return reply("uncovered", turn.locale).replace("{name}", name)
    topics: Sequence[str] = await retriever.unsure(turn.question, locale=turn.locale) if turn.chosen is None else ()
    turn.choices = tuple((topic, retriever.title(topic, turn.locale)) for topic in topics)
    return reply("which_topic" if turn.choices else "no_evidence", turn.locale)


def _names_its_subject(text: str, retriever: Retriever) -> bool:
    return bool(retriever.named(text)) or sum(weighted_terms(without_cues(text)).values()) >= NAMES_A_SUBJECT
