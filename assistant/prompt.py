"""Turns a question and its evidence into messages. Pure; training and serving render the same."""

from collections.abc import Sequence

from assistant.types import Message
from retrieval.types import Evidence, Locale

PROMPT_VERSION = "1"
SYSTEM: dict[Locale, str] = {
    "en": (
        "You answer health questions from the evidence below and from nothing else. Write one to four short sentences in "
        "plain words. Keep to the evidence's own words, numbers and units. End every sentence with the label of the "
        "evidence it comes from, like [E1]. If the evidence does not answer the question, say only: NO EVIDENCE."
    ),
    "zh": (
        "您只根据下面的证据回答健康问题，不使用其他知识。用浅显的话写一到四个短句，沿用证据的用词、数字和单位。"
        "每句话末尾标注它所依据的证据编号，如[E1]。证据不能回答问题时，只写：NO EVIDENCE。"
    ),
}


def messages_for(question: str, evidence: Sequence[Evidence], locale: Locale) -> list[Message]:
    """The system message with the labelled evidence, and the question."""
    passages = "\n".join(f"[{item.label}] {item.passage.say(locale)}" for item in evidence)
    return [Message("system", f"{SYSTEM[locale]}\n\n{passages}"), Message("user", question)]
