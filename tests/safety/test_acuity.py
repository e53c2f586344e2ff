"""The heads may raise what the interview says; what is urgent, open or answered they never lower."""

import numpy as np
import pytest

from retrieval.types import Locale
from safety.acuity import Acuity, features
from safety.facts import UNSURE
from safety.guard import ACUITY, HEADS, Judgement
from safety.interview import Interview
from safety.interview_rules import LEVELS
from safety.types import Disposition


def judged(level: str, *alarms: str) -> Judgement:
    likely = {name: 0.96 if name == level else 0.01 for name in ACUITY}
    scores = dict.fromkeys(HEADS, 0.01) | dict.fromkeys(alarms, 0.9)
    return Judgement(scores, alarms=alarms, acuity=likely)  # type: ignore[arg-type]


ACUTE = Acuity.load()


class Reassuring:
    """A guard to which everything is home care, or a mere question."""

    def __init__(self, level: str) -> None:
        self._level = level

    def judge(self, text: str, locale: Locale) -> Judgement:
        return judged(self._level)


def interview(level: str) -> Interview:
    found = Interview.load()
    found.guard, found.acuity = Reassuring(level), ACUTE
    return found


@pytest.mark.parametrize("told", ["urgent", "emergency"])
@pytest.mark.parametrize("ruled", [True, False])
def test_urgent_and_emergency_are_never_lowered(told: Disposition, ruled: bool) -> None:
    assert ACUTE.level(judged("self_care"), told, ruled) == told


@pytest.mark.parametrize("told", LEVELS)
def test_once_questions_were_answered_no_level_is_lowered(told: Disposition) -> None:
    assert LEVELS.index(ACUTE.level(judged("self_care"), told, False, answered=True)) >= LEVELS.index(told)


def test_a_likeness_without_an_alarm_is_no_emergency() -> None:
    assert ACUTE.level(judged("emergency"), None, False) != "emergency"
    assert ACUTE.level(judged("emergency", "emergency"), None, False) == "emergency"


def test_probabilities_add_up() -> None:
    row = features(judged("urgent"), "routine", True)
    assert ACUTE.probabilities(row).sum() == pytest.approx(1)
    assert np.isfinite(row).all()


def test_an_open_question_keeps_the_level_up_whatever_the_heads_say() -> None:
    replies = [("sore-throat/airway", UNSURE)]
    assert interview("self_care").assess("sore throat since yesterday", locale="en", replies=replies).level == "urgent"


@pytest.mark.parametrize("level", ["self_care", "question"])
def test_a_fever_in_a_young_baby_stays_an_emergency_whatever_the_heads_say(level: str) -> None:
    found = interview(level).assess("is a fever dangerous in my 6 week old baby", locale="en")
    assert found.level == "emergency"
