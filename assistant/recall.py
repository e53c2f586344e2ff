"""What a conversation came to that the client tells anew with each question, as OpenAI's clients do.

Nothing of it is taken on trust: what was asked back is worked out again, and counts only when the answer that the client shows
holds those very words. Earlier messages reach retrieval only through the input rails.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from assistant import planner
from assistant.turn import LONGEST, Deps
from assistant.types import Exchange, Turn
from retrieval.text import is_chinese
from retrieval.types import Locale

LOOK_BACK = 12  # earlier questions that are read
_NUMBERED = re.compile(r"^\d+\. ", re.M)
Choices = Sequence[tuple[str, str]]  # (value, label)


def numbered(choices: Choices) -> str:
    """The choices of a question back as lines to answer by number."""
    return "\n".join(f"{number}. {label}" for number, (_, label) in enumerate(choices, 1))


def language(text: str) -> Locale:
    return "zh" if is_chinese(text) else "en"


async def recall(turn: Turn, before: Sequence[tuple[str, str]], deps: Deps, keep_locale: bool) -> None:
    """Gives `turn` the history in `before`, (role, text) of users and the assistant, and reads it as a reply to what was asked last.

    A reply is in the language of the question unless `keep_locale`.
    """
    past: list[Turn] = []
    for text, answer in _pairs(before)[-LOOK_BACK:]:
        earlier = Turn("", "", text, turn.locale if keep_locale else language(text), turn.role)
        _take(earlier, past, keep_locale)
        await _asked_back(earlier, answer, deps)
        past.append(earlier)
    _take(turn, past, keep_locale)
    turn.history = await _with_topic(past, turn.history, deps)


def _pairs(before: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each message of the user's with the answer that follows it."""
    pairs: list[tuple[str, str]] = []
    for role, text in before:
        if role == "user":
            pairs.append((text.strip()[:LONGEST], ""))
        elif pairs:
            pairs[-1] = (pairs[-1][0], pairs[-1][1] + text)
    return pairs


def _take(turn: Turn, past: list[Turn], keep_locale: bool) -> None:
    """Reads the turn as a reply when the one before asked something: a chosen topic asks that question again, about the topic."""
    turn.history = tuple(Exchange(t.user_text, "", "", t.asks if t.choices else "") for t in past)
    last = past[-1] if past else None
    values = picked(turn.user_text, last.choices) if last else []
    if not last or not values:
        return
    turn.locale = turn.locale if keep_locale else last.locale
    if last.asks == "topic":
        turn.user_text, turn.chosen = last.user_text, values[0]
        turn.history = turn.history[:-1]
    else:
        turn.user_text = ",".join(values)


def picked(text: str, choices: Choices) -> list[str]:
    """The values of the choices that a reply names by number or label, or by several numbers; none when it says something else."""
    names = {name: value for n, (value, label) in enumerate(choices, 1) for name in _names(n, label)}
    whole = text.casefold().strip(" .。")
    if whole in names:
        return [names[whole]]
    parts = [part for part in re.split(r"[\s,，、;；]+", whole) if part]
    return [names[part] for part in parts] if all(part.isdigit() and part in names for part in parts) else []


def _names(number: int, label: str) -> tuple[str, ...]:
    name = label.casefold().strip(" .。")
    return str(number), name, f"{number}. {name}"


async def _asked_back(turn: Turn, answer: str, deps: Deps) -> None:
    """Works out what an earlier turn asked, when its answer looks like a question back."""
    if not _NUMBERED.search(answer):
        return
    so_far = planner.told(turn, deps.interview)
    assessment = planner.assessed(turn, so_far, deps.interview)
    if assessment.questions:
        said = planner.ask(turn, so_far, assessment)
    else:
        turn.question = await _checked(so_far.words, turn.locale, deps)
        said = await planner.which_topic(turn, deps.retriever) if turn.question else ""
    if not turn.choices or said.splitlines()[-1] not in answer or numbered(turn.choices) not in answer:
        turn.choices = ()


async def _with_topic(past: Sequence[Turn], history: tuple[Exchange, ...], deps: Deps) -> tuple[Exchange, ...]:
    """The history with the topic of the latest answer that had one: what a follow-up such as "and for children?" is about."""
    for number in reversed(range(len(history))):
        turn = past[number]
        question = "" if turn.choices else await _checked(planner.told(turn, deps.interview).words, turn.locale, deps)
        if question:
            question = planner.standalone(question, turn, deps.retriever)
            found = await deps.retriever.search(question, locale=turn.locale, k=1, clinician=turn.role == "clinician")
            if found:
                return (*history[:number], replace(history[number], topic=found[0].passage.topic), *history[number + 1 :])
    return history


async def _checked(text: str, locale: Locale, deps: Deps) -> str:
    """An earlier message as the input rails let it pass; "" when they do not."""
    verdict = await deps.rails.check("input", text, locale) if text.strip() else None
    return "" if verdict is None or verdict.stops else verdict.text or text
