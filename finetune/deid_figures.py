"""Measures `safety.deidentify`: recall and precision by entity and language, and its latency.

`python -m finetune.deid_figures [--data DIR] [--part dev|heldout]` reads `evals/deid.jsonl` (invented people; `dev` is what we
looked at while writing rules, `heldout` is not) and, with `--data`, the templates of the public sets that were held out.
Recall counts an entity when every letter and digit of it is masked; `typed` also asks for the right type. Precision
counts an entity that we mask when it touches one that had to be.
"""

import argparse
import json
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Literal

from finetune.deid_data import EVALS, held_out
from finetune.deid_sources import phi_group, phi_rows, presidio_key, presidio_rows
from safety.deidentify import Entity, deidentify, find

Span = tuple[int, int, str]
Row = tuple[str, str, list[Span]]  # language, text, spans
TYPES = {  # names that public sets give to what we mask
    "PERSON": "NAME", "PATIENT": "NAME", "DOCTOR": "NAME", "ADDRESS": "LOCATION", "GEOGRAPHIC_LOCATION": "LOCATION",
    "CREDIT_CARD": "BANK_CARD", "PHONE_NUMBER": "PHONE", "DATE_TIME": "DATE", "EMAIL_ADDRESS": "EMAIL", "US_SSN": "SSN",
    "SOCIAL_SECURITY_NUMBER": "SSN", "DOMAIN_NAME": "URL", "IBAN_CODE": "ACCOUNT", "IP_ADDRESS": "IP",
    "US_DRIVER_LICENSE": "LICENSE", "MEDICAL_RECORD_NUMBER": "MRN", "HEALTH_PLAN_BENEFICIARY_NUMBER": "HEALTH_PLAN",
    "FAX_NUMBER": "FAX", "UNIQUE_IDENTIFIER": "OTHER_ID",
}  # fmt: skip
_OF_PRESIDIO = {  # the labels of that set which the safe harbour counts
    "PERSON", "ADDRESS", "LOCATION", "ORGANIZATION", "CREDIT_CARD", "PHONE_NUMBER", "DATE_TIME", "EMAIL_ADDRESS", "US_SSN",
    "DOMAIN_NAME", "IBAN_CODE", "IP_ADDRESS", "US_DRIVER_LICENSE",
}  # fmt: skip
_STAYS = re.compile(r"{{(?:country|state|nationality)}}")  # what presidio labels and the safe harbour lets stand


def main() -> None:
    """Print a table for each set, as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the public data sets")
    parser.add_argument("--part", default="heldout", choices=("dev", "heldout"))
    parser.add_argument("--errors", action="store_true", help="print what was missed and what was masked in vain")
    asked = parser.parse_args()
    sets = {"own": list(own_rows(asked.part))}
    if asked.data:
        sets |= {"presidio": list(presidio(asked.data)), "phi-queries": list(phi(asked.data))}
    for name, rows in sets.items():
        for line in figures(rows, asked.errors):
            print(json.dumps({"set": name, **line}, ensure_ascii=False))
    print(json.dumps(latency()))


def own_rows(part: str) -> Iterator[Row]:
    """The rows of one part of our set."""
    for line in EVALS.read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["part"] == part:
            yield row["locale"], row["text"], [(s["start"], s["end"], s["type"]) for s in row["spans"]]


def presidio(folder: Path) -> Iterator[Row]:
    """Held-out templates, four fillings each at most."""
    taken: dict[str, int] = defaultdict(int)
    for row in presidio_rows(folder):
        key = presidio_key(row)
        taken[key] += held_out(key)
        if held_out(key) and taken[key] <= 4 and not _STAYS.search(row["masked"]):
            spans = [
                (s["start_position"], s["end_position"], TYPES.get(s["entity_type"], s["entity_type"]))
                for s in row["spans"]
                if s["entity_type"] in _OF_PRESIDIO
            ]
            yield "en", row["full_text"], spans


def phi(folder: Path) -> Iterator[Row]:
    """Held-out groups of queries."""
    for row in phi_rows(folder):
        if held_out(phi_group(row)):
            text = row["text"]
            spans = [
                (m.start(), m.end(), TYPES.get(i["type"], i["type"]))
                for i in row["identifiers"]
                for m in re.finditer(re.escape(i["value"]), text)
            ]
            yield "en", text, spans


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one language and type: entities there are, fully masked, masked with the right type; masks given, and rightly so."""

    gold: int = 0
    masked: int = 0
    typed: int = 0
    given: int = 0
    right: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Counts(*(one + more for one, more in pairs))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one entity, or of one mask. `problem` is empty where nothing is wrong."""

    type: str
    counts: Counts
    problem: Literal["", "MISSED", "OTHER TYPE", "IN VAIN"]
    start: int
    end: int
    told: str = ""  # what was found in its place, or the rule that masked in vain


def figures(rows: Sequence[Row], errors: bool) -> Iterator[dict[str, Any]]:
    """One line for each language and type, and one over all."""
    found: dict[tuple[str, str], Counts] = defaultdict(Counts)
    for locale, text, spans in rows:
        for outcome in outcomes(text, spans, find(text)):
            for kind in (outcome.type, "all"):
                found[locale, kind] += outcome.counts
            if errors and outcome.problem:
                start, end = outcome.start, outcome.end
                print(
                    f"{outcome.problem} {outcome.type} {text[start:end]!r} {outcome.told} in {text[max(0, start - 40) : end + 30]!r}"
                )
    for (locale, kind), c in sorted(found.items()):
        shares = {"recall": c.masked / c.gold, "typed": c.typed / c.gold} if c.gold else {}
        shares |= {"precision": c.right / c.given} if c.given else {}
        yield {"locale": locale, "type": kind, "n": c.gold, **{k: round(v, 3) for k, v in shares.items()}}


def outcomes(text: str, spans: Sequence[Span], entities: Sequence[Entity]) -> Iterator[Outcome]:
    """What became of each entity, then of each mask."""
    covered = {i for e in entities for i in range(e.start, e.end)}
    for start, end, kind in spans:
        bare = re.sub(r"^(?:Dr|Mrs?|Ms|Miss|Prof)\b\.?", lambda m: " " * len(m[0]), text[start:end], flags=re.I)
        masked = all(start + i in covered for i, c in enumerate(bare) if c.isalnum())
        over = [e for e in entities if e.start < end and start < e.end]
        typed = masked and any(e.type == kind for e in over)
        told = "" if typed else str([(e.type, e.rule) for e in over])
        yield Outcome(kind, Counts(1, masked, typed), "" if typed else "OTHER TYPE" if masked else "MISSED", start, end, told)
    for e in entities:
        right = any(e.start < end and start < e.end for start, end, _ in spans)
        told = "" if right else f"({e.rule}, {e.score})"
        yield Outcome(e.type, Counts(given=1, right=right), "" if right else "IN VAIN", e.start, e.end, told)


def latency() -> dict[str, float]:
    """Milliseconds a note of about 300 words (English) or 500 characters (Chinese), after warming up."""
    out: dict[str, float] = {}
    for locale, size in (("en", 1900), ("zh", 500)):
        joined = "\n".join(text for part in ("dev", "heldout") for spoken, text, _ in own_rows(part) if spoken == locale)
        notes = [joined[i : i + size] for i in range(0, len(joined) - size, size)]
        for note in notes:
            deidentify(note)
        taken = []
        for note in notes * 10:
            started = time.perf_counter()
            deidentify(note)
            taken.append((time.perf_counter() - started) * 1e3)
        taken.sort()
        out |= {
            f"{locale}_p50_ms": round(taken[len(taken) // 2], 2),
            f"{locale}_p95_ms": round(taken[int(len(taken) * 0.95)], 2),
        }
    return out


if __name__ == "__main__":
    main()
