"""The model's reply to a turn, sentence by sentence."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from assistant.ports import ChatModel
from assistant.prompt import messages_for
from assistant.types import Turn
from retrieval.text import split_sentences


async def draft(model: ChatModel, turn: Turn) -> AsyncGenerator[str]:
    """Whole sentences, each as soon as the next one begins; `turn.draft` keeps all that the model wrote.

    Closing the generator stops the model. Raises ModelUnavailable.
    """
    rest = ""
    async with aclosing(model.stream(messages_for(turn.question, turn.evidence, turn.locale))) as pieces:
        async for piece in pieces:
            turn.draft += piece
            *whole, rest = split_sentences(rest + piece)
            for sentence in filter(str.strip, whole):
                yield sentence.strip()
    if rest.strip():
        yield rest.strip()
