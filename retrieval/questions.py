"""Which sections of a topic a question asks for, by the cue words of `knowledge/questions.yaml`."""

import re
from functools import cache
from pathlib import Path

import yaml

from retrieval.text import KNOWLEDGE
from retrieval.types import KnowledgeError

_READING = re.compile(r"\d{2,3}/\d{2,3}|\d ?(?:mmol|mg/dl|mmhg)")  # a measured value: what does it mean, is it urgent
_GET_HELP = ("get_help.emergency", "get_help.urgent", "get_help.routine")


@cache
def _cues(path: Path = KNOWLEDGE / "questions.yaml") -> dict[str, re.Pattern[str]]:
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {
            section: re.compile(
                "|".join([rf"(?<!\w){re.escape(cue)}[a-z]*" for cue in cues["en"]] + [re.escape(cue) for cue in cues["zh"]])
            )
            for section, cues in rows.items()
        }
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise KnowledgeError(f"{path}: expected section: {{en: [...], zh: [...]}}; {error}") from error


def asked_sections(question: str) -> frozenset[str]:
    """The sections that the question's words point to; empty when none does."""
    text = question.lower().replace("’", "'")
    found = {section for section, cue in _cues().items() if cue.search(text)}
    if _READING.search(text):
        found |= {"diagnosis", "get_help"}
    if "get_help" in found:
        found.remove("get_help")
        found.update(_GET_HELP)
    return frozenset(found)


def without_cues(question: str) -> str:
    """The question less the cue words: what is left names its subject."""
    text = question.lower().replace("’", "'")
    for section in ("overview", "symptoms", "causes", "diagnosis", "get_help", "prevention"):
        text = _cues()[section].sub(" ", text)
    return text
