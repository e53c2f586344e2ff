"""Fits and measures `safety/acuity.py`: `python -m finetune.acuity`. Rows of `examples/triage.jsonl` that the heads were not fitted on.

Half of them fit the weights, half only measure; then the weights are fitted on both.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from finetune.guard import wilson
from finetune.guard_data import Row, triage
from safety.acuity import Acuity, features
from safety.guard import RELEASED, Guard, Judgement
from safety.interview import Interview
from safety.interview_rules import LEVELS
from safety.red_flags import RedFlags
from safety.types import Disposition

Read = tuple[Row, Judgement, Disposition | None, bool]


def main() -> None:
    """Print the figures of the rows that only measure, write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RELEASED / "acuity.json")
    out = parser.parse_args().out
    rows = [row for row in triage() if row.part != "fit" and row.kind in LEVELS]
    read = list(reading(rows))
    print(
        json.dumps(
            figures([r for r in read if r[0].part == "test"], fitted([r for r in read if r[0].part != "test"])), indent=1
        )
    )
    final = fitted(read)
    out.write_text(
        json.dumps({"weights": final.weights.round(4).tolist(), "bias": final.bias.round(4).tolist()}) + "\n", "utf-8"
    )


def reading(rows: list[Row]) -> list[Read]:
    """What heads and rules say of each row."""
    from tqdm import tqdm

    guard, interview, flags = Guard(), Interview.load(), RedFlags.load()
    found = []
    for row in tqdm(rows, file=sys.stderr):
        told = interview.assess(row.text, locale=row.locale)
        verdict = flags.check(row.text, locale=row.locale)
        level, ruled = told.level, any("/" in reason.rule for reason in told.reasons)
        if verdict.stops:
            level, ruled = "emergency", True
        elif verdict.reasons and (level is None or LEVELS.index(level) < 2):
            level, ruled = "urgent", True
        found.append((row, guard.judge(row.text, row.locale), level, ruled))
    return found


def fitted(read: list[Read]) -> Acuity:
    from sklearn.linear_model import LogisticRegression

    x = np.stack([features(judged, level, ruled) for _, judged, level, ruled in read])
    model = LogisticRegression(C=0.3, max_iter=2_000).fit(x, [LEVELS.index(row.kind) for row, *_ in read])
    return Acuity(model.coef_, model.intercept_)


def figures(read: list[Read], acuity: Acuity) -> dict[str, object]:
    """Confusion of levels, and shares right, too low and too high on four and on three levels."""
    out: dict[str, object] = {}
    for locale in ("en", "zh"):
        pairs = [
            (LEVELS.index(row.kind), LEVELS.index(acuity.level(judged, level, ruled)))
            for row, judged, level, ruled in read
            if row.locale == locale
        ]
        three = [((0, 1, 1, 2)[a], (0, 1, 1, 2)[b]) for a, b in pairs]
        for name, found in (("four levels", pairs), ("three levels", three)):
            out[f"{locale} {name}"] = {
                "right": wilson(sum(a == b for a, b in found), len(found)),
                "too low": wilson(sum(b < a for a, b in found), len(found)),
                "too high": wilson(sum(b > a for a, b in found), len(found)),
                "n": len(found),
            }
        out[f"{locale} confusion"] = {f"{LEVELS[a]} as {LEVELS[b]}": n for (a, b), n in sorted(Counter(pairs).items())}
    return out


if __name__ == "__main__":
    main()
