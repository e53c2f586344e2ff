"""What the claim gate learns from: documents, and statements known to hold or not, out of `knowledge/` and public sets.

The public sets stay where they are; only weights come of them. Licences: finetune/released/verify/README.md.
"""

import csv
import gzip
import io
import json
import random
import re
import tarfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.verify_perturb import words
from retrieval.text import sentences
from retrieval.topics import load_topics
from retrieval.types import LOCALES, Locale

csv.field_size_limit(1 << 30)
ZH_ANSWER = ("不可以|不能|不建议|不宜|不要|不会|不适合|不应|禁止|避免", "可以|能够|能|会的|适合|可能会|没问题")
WAYS = {"up": "significantly increase", "down": "significantly decrease", "same": "no significant difference"}
EN_ASIDES = re.compile(r"\[.*?\]|\(\s*\)")


@dataclass(frozen=True, slots=True)
class Document:
    """Sentences in reading order, of one subject. Claims are made of them, and evidence is cut out of them."""

    source: str
    group: str  # all that must stay on one side of a split
    locale: Locale
    sentences: tuple[str, ...]
    subject: str = ""  # what "it" is
    section: str = ""  # of a topic


@dataclass(frozen=True, slots=True)
class Statement:
    """A claim whose truth by a text is known."""

    source: str
    group: str
    locale: Locale
    claim: str
    evidence: str
    label: int
    kind: str = "given"


def topics() -> Iterator[Document]:
    """Each section of each of our topics, in each language."""
    for topic in load_topics():
        for section, claims in topic.sections.items():
            if not claims:
                continue
            for locale in LOCALES:
                said = tuple(claim.say(locale) for claim in claims)
                yield Document("knowledge", f"topic:{topic.id}", locale, said, section=section)


def medquad(data: Path, rng: random.Random, most: int = 2_500) -> Iterator[Document]:
    """Answers about a subject. Lists without a full stop are left out."""
    found = []
    with tarfile.open(data / "medquad" / "medquad.tar.xz") as archive:
        for member in archive:
            if member.name.endswith(".xml") and (opened := archive.extractfile(member)):
                root = ET.fromstring(opened.read())  # noqa: S314 - a local file
                for pair in root.iter("QAPair"):
                    said = prose(pair.findtext("Answer") or "")
                    if len(said) >= 3:
                        found.append((root.findtext("Focus") or "", said))
    for focus, said in rng.sample(found, min(most, len(found))):
        yield Document("medquad", f"medquad:{focus.lower()}", "en", tuple(said[:14]), focus)


def prose(text: str) -> list[str]:
    """Its full sentences of 30 to 300 characters."""
    flat = re.sub(r"\s+", " ", EN_ASIDES.sub("", text))
    return [s for s in sentences(flat) if 30 <= len(s) <= 300 and s[0].isupper() and s[-1] in ".!" and "?" not in s]


def abstracts(data: Path) -> Iterator[tuple[Document, dict[str, Any]]]:
    """PubMedQA: each abstract, with the row it came from."""
    with gzip.open(data / "pubmedqa" / "pqal.jsonl.gz", "rt", encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            said = [s for part in row["contexts"] for s in sentences(part) if len(s) > 25]
            yield Document("pubmedqa", f"pubmedqa:{row['pmid']}", "en", tuple(said), ""), row


def pubmedqa(data: Path, rng: random.Random) -> Iterator[Statement]:
    """The question as a statement, affirmed and denied; the conclusion's sentences, of this article and of another."""
    found = list(abstracts(data))
    for n, (document, row) in enumerate(found):
        text = " ".join(document.sentences)
        for affirmed, claim in enumerate(statements(row["question"])):
            if row["label"] != "maybe":
                label = int(affirmed == (row["label"] == "yes"))
                yield Statement("pubmedqa", document.group, "en", claim, text, label, "question")
        other = found[(n + rng.randrange(1, len(found))) % len(found)][1]
        for kind, label, said in (("conclusion", 1, row["long_answer"]), ("other", 0, other["long_answer"])):
            for claim in rng.sample(found_ := prose(said), min(2, len(found_))):
                yield Statement("pubmedqa", document.group, "en", claim, text, label, kind)


def statements(question: str) -> tuple[str, str] | tuple[()]:
    """("X does not improve Y.", "X improves Y.") of "Does X improve Y?"; nothing where the form is another."""
    plain = re.sub(r"^.*[:.] (?=(?:is|are|was|were|does|do|did|can|could|should|has|have|will)\b)", "", question, flags=re.I)
    match = re.match(r"(is|are|was|were|does|do|did|can|could|should|will)\s+(.+?)\?*$", plain.strip(), re.I)
    if not match:
        return ()
    verb, rest = match[1].lower(), match[2].split()
    starts = words()["predicates"] if verb in ("is", "are", "was", "were") else words()["verbs"]
    at = next((n for n, word in enumerate(rest) if n > 0 and word.lower() in starts), 0)
    if not at:
        return ()
    subject, predicate = " ".join(rest[:at]), " ".join(rest[at:])
    subject = subject[0].upper() + subject[1:]
    if verb in ("does", "do", "did"):
        return f"{subject} {verb} not {predicate}.", f"{subject} {inflected(predicate, verb)}."
    return f"{subject} {verb} not {predicate}.", f"{subject} {verb} {predicate}."


def inflected(predicate: str, verb: str) -> str:
    """ "improve survival" after "does" and "did" as "improves survival" and "improved survival"."""
    first, _, rest = predicate.partition(" ")
    if verb == "did":
        return f"did {predicate}"
    if verb == "does":
        first = {"have": "has", "be": "is"}.get(first, first + ("es" if first.endswith(("s", "h", "x")) else "s"))
    return f"{first} {rest}".strip()


def trials(data: Path, rng: random.Random) -> Iterator[Statement]:
    """Evidence Inference: who does better than whom in what, beside the other findings of the same article."""
    prompts = {row["PromptID"]: row for row in rows(data / "evidence-inference" / "prompts.csv.gz")}
    spans: dict[str, list[str]] = {}
    labels: dict[str, tuple[str, str]] = {}
    for row in rows(data / "evidence-inference" / "annotations.csv.gz"):
        text = re.sub(r"\s+", " ", row["Annotations"]).strip()
        letters = sum(c.isalpha() for c in text)
        if row["Valid Label"] == "True" and row["PromptID"] in prompts and 40 < len(text) < 700 and letters > 0.6 * len(text):
            spans.setdefault(row["PMCID"], []).append(text)
            labels[row["PromptID"]] = (row["Label"], text)
    by = {said: [p for p, (label, _) in labels.items() if label.startswith(word)] for said, word in WAYS.items()}
    least = min(map(len, by.values()))  # as many of each: else the direction that a claim names would tell its label
    for true, found in by.items():
        for prompt in rng.sample(found, least):
            row, text = prompts[prompt], labels[prompt][1]
            others = [s for s in dict.fromkeys(spans[row["PMCID"]]) if s != text and s not in text and text not in s]
            evidence = [text, *rng.sample(others, min(len(others), rng.randrange(4)))]
            rng.shuffle(evidence)
            for wanted in (1, 0):
                claim = effect(row, true, wanted, rng)
                yield Statement("evidence-inference", f"ei:{row['PMCID']}", "en", claim, " ".join(evidence), wanted, "effect")


def effect(row: dict[str, str], true: str, wanted: int, rng: random.Random) -> str:
    """A sentence that says the effect (wanted = 1), or another one (0), seen from either of the two treatments."""
    said = true if wanted else rng.choice([d for d in ("up", "down", "same") if d != true])
    one, other = row["Intervention"].strip(), row["Comparator"].strip()
    if rng.random() < 0.25:
        one, other, said = other, one, {"up": "down", "down": "up", "same": "same"}[said]
    claim: str = rng.choice(words()["directions"][said]).format(i=one, c=other, o=row["Outcome"].strip())
    return claim[:1].upper() + claim[1:]


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a CSV file, packed or not."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as text:
        yield from csv.DictReader(io.StringIO(text.read()))


def visits(data: Path, rng: random.Random) -> Iterator[Statement]:
    """MTS-Dialog: a sentence of the note under the dialogue it sums up, and under that of another visit with this section."""
    found: dict[str, list[dict[str, str]]] = {}
    for name in ("train.csv", "validation.csv"):
        for row in rows(data / "mts-dialog" / name):
            if 80 < len(row["dialogue"]) < 2_200:
                found.setdefault(row["section_header"], []).append(row)
    for same in found.values():
        for n, row in enumerate(same):
            mine = [s for s in sentences(row["section_text"]) if 15 <= len(s) <= 220]
            other = same[(n + rng.randrange(1, max(2, len(same)))) % len(same)]
            for claim in rng.sample(mine, min(2, len(mine))):
                group = f"mts:{zlib_group(row['dialogue'])}"
                yield Statement("mts-dialog", group, "en", claim, row["dialogue"], 1, "note")
                if other is not row and not set(claim.lower().split()) <= set(other["dialogue"].lower().split()):
                    yield Statement("mts-dialog", group, "en", claim, other["dialogue"], 0, "other visit")


def zlib_group(text: str) -> int:
    """A stable number of a text."""
    import zlib

    return zlib.crc32(text.encode())


def notes(data: Path) -> Iterator[Statement]:
    """MEDEC: the right and the wrong sentence under the corrected and the faulty note."""
    for row in rows(data / "medec" / "validation.csv.gz"):
        if row["Error Flag"] == "1" and len(row["Corrected Sentence"]) > 15:
            group, wrong, right = f"medec:{row['Text ID']}", row["Error Sentence"], row["Corrected Sentence"]
            for claim, text, label in ((right, row["Corrected Text"], 1), (wrong, row["Corrected Text"], 0),
                                       (wrong, row["Text"], 1), (right, row["Text"], 0)):  # fmt: skip
                yield Statement("medec", group, "en", claim, text, label, "corrected")


def chinese_answers(data: Path) -> Iterator[tuple[str, str, str]]:
    """(source, question, answer) of Huatuo and Toyhom."""
    with gzip.open(data / "huatuo-qa" / "qa.jsonl.gz", "rt", encoding="utf-8") as text:
        for row in map(json.loads, text):
            yield "huatuo", row["question"], row["answer"]
    for row in rows(data / "toyhom" / "consultations.csv.gz"):
        yield "toyhom", row["title"], row["answer"]


def chinese_documents(data: Path, rng: random.Random, most: int = 2_500) -> Iterator[Document]:
    """Answers as documents."""
    found = [
        (s, q, [x for x in re.split(r"(?<=[。！])", a) if 10 <= len(x) <= 90 and "你好" not in x])
        for s, q, a in chinese_answers(data)
    ]
    for source, question, said in rng.sample(found := [f for f in found if len(f[2]) >= 3], min(most, len(found))):
        yield Document(source, f"{source}:{zlib_group(question)}", "zh", tuple(said[:8]))


def chinese_questions(data: Path) -> Iterator[Statement]:
    """Yes-no questions as statements, affirmed and denied, where the answer begins with a clear yes or no."""
    no, yes = ZH_ANSWER
    for source, question, answer in chinese_answers(data):
        match = re.match(r"^([^，。？]{2,24}?)(可以|能|会)([^，。？]{2,16}?)(?:吗|么|不)?[？?]?$", question)
        start = answer[:45]
        if not match or re.search("不|什么|怎么|哪|多|是否|还是|否", question) or bool(re.search(no, start)) == bool(
            re.search(yes, re.sub(no, "", start))
        ):  # fmt: skip
            continue
        right = not re.search(no, start)
        for affirmed in (True, False):
            claim = f"{match[1]}{'' if affirmed else '不'}{match[2]}{match[3].rstrip('吗么呢的')}。"
            label = int(affirmed == right)
            yield Statement(source, f"{source}:{zlib_group(question)}", "zh", claim, answer[:300], label, "question")


def paraphrases(data: Path, rng: random.Random, most: int = 1_600) -> Iterator[Statement]:
    """ChineseBLUE's question pairs: the one says the other, or it does not."""
    for name, given in (("cmedqq_train.tsv.gz", most), ("cmedqq_dev.tsv.gz", 400)):
        with gzip.open(data / "chineseblue" / name, "rt", encoding="utf-8") as text:
            found = [line.rstrip("\n").split("\t") for line in text][1:]
        by = {value: [r for r in found if len(r) == 3 and r[0] == value] for value in "01"}
        for value, pairs in by.items():
            for _, one, other in rng.sample(pairs, min(len(pairs), given // 2)):
                group = f"cmedqq:{'dev' if 'dev' in name else zlib_group(one)}"
                yield Statement("chineseblue", group, "zh", one, other, int(value), "question pair")


def lexicon(data: Path, documents: Sequence[Document]) -> dict[str, list[str]]:
    """Names that may stand for one another: drugs, diseases and symptoms in English; in Chinese by their last character."""
    drugs = {r["drug"].lower() for r in tsv(data / "drug-indications" / "indications.tsv")}
    diseases = {r["disease"].lower() for r in tsv(data / "drug-indications" / "indications.tsv")}
    symptoms = {r["symptom"].lower() for r in tsv(data / "lex-doid" / "disease_symptom.tsv.gz") if "symptom" in r}
    out = {"drug": sorted(drugs), "disease": sorted(diseases), "symptom": sorted(symptoms)}
    seen = "".join("".join(d.sentences) for d in documents if d.locale == "zh")
    with gzip.open(data / "lex-thuocl" / "medical.tsv.gz", "rt", encoding="utf-8") as text:
        terms = [line.split("\t")[0].strip() for line in text]
    for term in terms:
        if 2 <= len(term) <= 6 and re.fullmatch("[\u4e00-\u9fff]+", term) and term in seen:
            out.setdefault(f"zh {term[-1]}", []).append(term)
    return {kind: names for kind, names in out.items() if len(names) > 3}


def tsv(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a tab-separated file."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as text:
        yield from csv.DictReader(io.StringIO(text.read()), delimiter="\t")
