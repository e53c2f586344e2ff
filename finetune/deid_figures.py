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
from pathlib import Path
from typing import Any

from finetune.deid_data import EVALS, held_out
from finetune.deid_sources import phi_group, phi_rows, presidio_key, presidio_rows
from safety.deidentify import Entity, deidentify, find

Span = tuple[int, int, str]
Row = tuple[str, str, list[Span]]  # language, text, spans
_PRESIDIO = {
    "PERSON": "NAME", "ADDRESS": "LOCATION", "LOCATION": "LOCATION", "ORGANIZATION": "ORGANIZATION", "CREDIT_CARD": "BANK_CARD",
    "PHONE_NUMBER": "PHONE", "DATE_TIME": "DATE", "EMAIL_ADDRESS": "EMAIL", "US_SSN": "SSN", "DOMAIN_NAME": "URL",
    "IBAN_CODE": "ACCOUNT", "IP_ADDRESS": "IP", "US_DRIVER_LICENSE": "LICENSE",
}  # fmt: skip
_PHI = {
    "GEOGRAPHIC_LOCATION": "LOCATION", "MEDICAL_RECORD_NUMBER": "MRN", "HEALTH_PLAN_BENEFICIARY_NUMBER": "HEALTH_PLAN",
    "PHONE_NUMBER": "PHONE", "EMAIL_ADDRESS": "EMAIL", "SOCIAL_SECURITY_NUMBER": "SSN", "IP_ADDRESS": "IP", "FAX_NUMBER": "FAX",
    "UNIQUE_IDENTIFIER": "OTHER_ID",
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
                (s["start_position"], s["end_position"], _PRESIDIO[s["entity_type"]])
                for s in row["spans"]
                if s["entity_type"] in _PRESIDIO
            ]
            yield "en", row["full_text"], spans


def phi(folder: Path) -> Iterator[Row]:
    """Held-out groups of queries."""
    for row in phi_rows(folder):
        if held_out(phi_group(row)):
            text = row["text"]
            spans = [
                (m.start(), m.end(), _PHI.get(i["type"], i["type"]))
                for i in row["identifiers"]
                for m in re.finditer(re.escape(i["value"]), text)
            ]
            yield "en", text, spans


def figures(rows: Sequence[Row], errors: bool) -> Iterator[dict[str, Any]]:
    """One line for each language and type, and one over all."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * 5)
    for locale, text, spans in rows:
        entities = find(text)
        for kind, column in _judged(text, spans, entities, errors):
            counts[locale, kind][column] += 1
            counts[locale, "all"][column] += 1
    for (locale, kind), (gold, masked, typed, given, right) in sorted(counts.items()):
        share = {"recall": masked / gold, "typed": typed / gold} if gold else {}
        share |= {"precision": right / given} if given else {}
        yield {"locale": locale, "type": kind, "n": gold, **{k: round(v, 3) for k, v in share.items()}}


def _judged(text: str, spans: Sequence[Span], entities: Sequence[Entity], errors: bool) -> Iterator[tuple[str, int]]:
    covered = {i for e in entities for i in range(e.start, e.end)}
    for start, end, kind in spans:
        bare = re.sub(r"^(?:Dr|Mrs?|Ms|Miss|Prof)\b\.?", lambda m: " " * len(m[0]), text[start:end], flags=re.I)
        masked = all(start + i in covered for i, c in enumerate(bare) if c.isalnum())
        yield kind, 0
        if masked:
            yield kind, 1
        if masked and any(e.type == kind and e.start < end and start < e.end for e in entities):
            yield kind, 2
        elif errors and masked:
            print(
                f"OTHER TYPE {kind} {text[start:end]!r}: {[(e.type, e.rule) for e in entities if e.start < end and start < e.end]}"
            )
        if errors and not masked:
            print(f"MISSED {kind} {text[start:end]!r} in {text[max(0, start - 40) : end + 30]!r}")
    for entity in entities:
        right = any(entity.start < end and start < entity.end for start, end, _ in spans)
        yield entity.type, 3
        if right:
            yield entity.type, 4
        elif errors:
            print(
                f"IN VAIN {entity.type} {text[entity.start : entity.end]!r} ({entity.rule}, {entity.score}) in {text[max(0, entity.start - 30) : entity.end + 25]!r}"
            )


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
