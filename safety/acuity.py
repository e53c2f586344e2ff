"""How urgent a message is, from what the interview's rules say and what the trained heads say, weighed together.

The weights are fitted by `python -m finetune.acuity` (`finetune/released/guard/acuity.json`). They may raise a level; they never
lower urgent or emergency, whether a rule, the complaint itself or an open question set it, nor any level once questions were answered.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from safety.guard import ACUITY, RELEASED, Judgement
from safety.interview_rules import LEVELS
from safety.types import Disposition, PolicyError

COST = np.array(  # of giving the column's level where the row's is right: to reassure wrongly costs most
    [[0.0, 1.0, 2.0, 3.0], [1.2, 0.0, 1.0, 2.0], [2.5, 1.5, 0.0, 1.0], [5.0, 3.0, 1.5, 0.0]]
)


def features(judged: Judgement, level: Disposition | None, ruled: bool) -> NDArray[np.float64]:
    """What the weights stand on: logarithms of the head's probabilities, the interview's level, whether a rule gave it."""
    heads = [np.log(max(judged.acuity.get(name, 0.0), 1e-4)) for name in ACUITY]
    alarm = min(max(judged.scores["emergency"], 1e-4), 1 - 1e-4)
    told = [float(level == name) for name in LEVELS]
    fired = [float(ruled and level == name) for name in LEVELS]
    return np.array([*heads, np.log(alarm / (1 - alarm)), *told, float(level is None), *fired])


@dataclass(frozen=True, slots=True)
class Acuity:
    """Multinomial weights over LEVELS. `weights` has shape (4, features), `bias` (4,)."""

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    @classmethod
    def load(cls, path: Path = RELEASED / "acuity.json") -> "Acuity":
        """Raises PolicyError naming the file."""
        try:
            data = json.loads(path.read_text("utf-8"))
            return cls(np.array(data["weights"]), np.array(data["bias"]))
        except (OSError, ValueError, KeyError) as error:
            raise PolicyError(f"{path}: {error!r}; make it with `python -m finetune.acuity`") from error

    def probabilities(self, row: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Of each of LEVELS, adding up to 1."""
        logits = self.weights @ np.asarray(row) + self.bias
        shifted = np.exp(logits - logits.max())
        return np.asarray(shifted / shifted.sum())

    def level(self, judged: Judgement, told: Disposition | None, ruled: bool, answered: bool = False) -> Disposition:
        """The level of least expected cost that the interview allows; `answered` when its questions had replies."""
        cheapest = int((self.probabilities(features(judged, told, ruled)) @ COST).argmin())
        most = len(LEVELS) if "emergency" in judged.alarms or told == "emergency" else LEVELS.index("emergency")
        cheapest = min(cheapest, most - 1)  # a card needs more than a likeness: an alarm or a rule
        least = LEVELS.index(told) if told and (answered or told in ("urgent", "emergency")) else 0
        return LEVELS[max(cheapest, least)]
