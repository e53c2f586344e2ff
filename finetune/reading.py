"""How hard the topics are to read: `python -m finetune.reading` prints a table, `--hardest N` also the hardest claims.

English: the grade of Flesch and Kincaid (1975), syllables by pyphen, as textstat counts them; the target is the 8th grade or
lower. Chinese has no such grade: characters between marks, and the share of words that are no everyday words.
"""

import argparse
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from retrieval.text import sentences
from retrieval.topics import load_topics
from retrieval.types import Claim

TARGET = 8.0  # school grade
PATIENT_CLAIMS = 4  # in an answer
LONGEST_STRETCH = 20  # Chinese characters between two marks that still read easily


def grade(text: str) -> float:
    """The school grade of an English text; 0 without a word."""
    words = re.findall(r"[A-Za-z]+(?:['’-][A-Za-z]+)*", text)
    if not words:
        return 0.0
    count = max(1, len(sentences(text)))
    return 0.39 * len(words) / count + 11.8 * sum(map(syllables, words)) / len(words) - 15.59


@cache
def syllables(word: str) -> int:
    """One more than the places at which the word may be hyphenated."""
    return len(_hyphenation().positions(word.lower())) + 1


@cache
def _hyphenation() -> Any:
    import pyphen  # type: ignore[import-untyped]

    return pyphen.Pyphen(lang="en_US")


def stretches(text: str) -> list[int]:
    """Lengths, in characters, of what stands between the marks of a Chinese text."""
    return [len(part) for part in re.split(r"[，。；：、！？（）,;:!?()\s]+", text) if part]


def in_answers(claims: Sequence[Claim]) -> list[Sequence[Claim]]:
    """Neighbours, as many as an answer shows."""
    return [claims[at : at + PATIENT_CLAIMS] for at in range(0, len(claims), PATIENT_CLAIMS)]


def figures(claims: Sequence[Claim]) -> dict[str, float]:
    """Shares of the claims, and of answers of PATIENT_CLAIMS neighbours, at or under the target; and the Chinese measure."""
    grades = [grade(claim.text["en"]) for claim in claims]
    answers = [grade(" ".join(claim.text["en"] for claim in group)) for group in in_answers(claims)]
    longest = [max(stretches(claim.text["zh"])) for claim in claims]
    return {
        "claims": len(claims),
        "claims_at_or_under_8": sum(g <= TARGET for g in grades) / len(grades),
        "answers_at_or_under_8": sum(g <= TARGET for g in answers) / len(answers),
        "median_grade": sorted(grades)[len(grades) // 2],
        "zh_claims_with_short_stretches": sum(n <= LONGEST_STRETCH for n in longest) / len(longest),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hardest", type=int, default=0, help="print so many of the hardest claims")
    asked = parser.parse_args()
    claims = [
        c for topic in load_topics() for section, found in topic.sections.items() if section != "clinician" for c in found
    ]
    for name, value in figures(claims).items():
        print(f"{name:32} {value:8.3f}")
    for claim in sorted(claims, key=lambda c: -grade(c.text["en"]))[: asked.hardest]:
        print(f"{grade(claim.text['en']):5.1f}  {claim.id}  {claim.text['en']}")


if __name__ == "__main__":
    main()
