"""Reads a message in the light of the conversation."""

from assistant.ports import Retriever
from assistant.types import Turn
from retrieval.questions import without_cues
from retrieval.text import weighted_terms

NAMES_A_SUBJECT = 0.9  # the word weight from which a message is taken to name its own subject


def standalone(text: str, turn: Turn, retriever: Retriever) -> str:
    """The message as a question that can be looked up alone: "what about children?" takes the last topic along.

    A topic that the asker has just chosen is always taken along.
    """
    last = next((exchange.topic for exchange in reversed(turn.history) if exchange.topic), "")
    topic = turn.chosen or ("" if _names_its_subject(text, retriever) else last)
    return f"{retriever.title(topic, turn.locale)}: {text}" if topic else text


def _names_its_subject(text: str, retriever: Retriever) -> bool:
    return bool(retriever.named(text)) or sum(weighted_terms(without_cues(text)).values()) >= NAMES_A_SUBJECT
