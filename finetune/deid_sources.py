"""Reads the public sets that the name finder learns from: templates to fill anew, and texts that hold (almost) no names."""

import csv
import gzip
import json
import lzma
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finetune.deid_data import Marked, held_out

_SLOTS = {
    "first_name": "G", "first_name_male": "G", "first_name_female": "G", "first_name_nonbinary": "G", "last_name": "F",
    "last_name_male": "F", "last_name_female": "F", "person": "N", "name": "N", "city": "L", "organization": "O",
    "phone_number": "phone", "date_of_birth": "date", "date_time": "date", "email": "email", "ssn": "id",
}  # fmt: skip
_PLAIN = {
    "prefix": "Mrs.",
    "prefix_male": "Mr.",
    "prefix_female": "Ms.",
    "country": "Canada",
    "state": "Ohio",
    "nationality": "Swiss",
}
_PHI = {"NAME": "I", "DATE": "date", "MEDICAL_RECORD_NUMBER": "id", "PHONE_NUMBER": "phone", "EMAIL_ADDRESS": "email"}
_TITLED = re.compile(r"\b(?:Dr|Doctor|Mr|Mrs|Ms|Miss)\.? ([A-Z][a-z]+(?: [A-Z][a-z]+)?)")
_ZH_NAMED = re.compile(r"[\u4e00-\u9fff](?:医生|大夫|主任|教授|先生|女士|小姐|护士)|我叫|姓名|名叫|[省市县区]|医院|大学")


def presidio_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of presidio-research as they are; `template_id` and `part` name the template."""
    with gzip.open(folder / "presidio" / "generated.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def phi_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of the synthetic PHI queries as they are."""
    return [json.loads(line) for line in (folder / "phi-queries" / "queries.jsonl").read_text("utf-8").splitlines()]


def phi_group(row: dict[str, Any]) -> str:
    """What near-copies of a query share: its first four words."""
    return " ".join(row["text"].lower().split()[:4])


def templates(folder: Path) -> list[str]:
    """The templates to train on, in the form of our frames. Those with a slot that we cannot fill are left out."""
    found = {_presidio_template(row["masked"]) for row in presidio_rows(folder) if not held_out(presidio_key(row))}
    found |= {_phi_template(row) for row in phi_rows(folder) if not held_out(phi_group(row))}
    return sorted(t for t in found if t and not re.search(r"\{\{|\}\}", t))


def presidio_key(row: dict[str, Any]) -> str:
    """Names a template whatever part it is in."""
    return re.sub(r"\W+", " ", str(row["masked"])).strip().lower()


def _presidio_template(masked: str) -> str:
    def slot(match: re.Match[str]) -> str:
        name = match[1].strip()
        return _PLAIN.get(name) or (f"{{{_SLOTS[name]}}}" if name in _SLOTS else match[0])

    return re.sub(r"\{\{([^{}]*)\}\}", slot, masked)


def _phi_template(row: dict[str, Any]) -> str:
    text = str(row["text"])
    for one in sorted(row["identifiers"], key=lambda i: -len(i["value"])):
        clinic = re.search(r"Hosp|Clinic|Cent|Medical|Health|UC|Univ|Institut|Mayo", one["value"])
        slot = _PHI.get(one["type"]) or ("O" if clinic else "L" if one["type"] == "GEOGRAPHIC_LOCATION" else "id")
        titled = re.match(r"(?:Dr|Mrs?|Ms)\.? ", one["value"])
        text = text.replace(one["value"], (titled[0] if titled else "") + f"{{{slot}}}")
    return text


def english(folder: Path) -> Iterator[str]:
    """Clinical notes, dialogues, questions and answers, disease and drug names."""
    for name in ("train", "validation"):
        with (folder / "mts-dialog" / f"{name}.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                yield row["section_text"]
                yield row["dialogue"]
    with tarfile.open(folder / "medquad" / "medquad.tar.xz") as archive:
        for number, member in enumerate(archive):
            if member.isfile() and number % 8 == 0:
                page = archive.extractfile(member).read().decode("utf-8", "replace")  # type: ignore[union-attr]
                yield from re.findall(r"<Answer>(.{40,600}?)[.<]", page, re.S)[:3]
                yield from re.findall(r"<Question[^>]*>(.*?)</Question>", page)[:3]
    for path, column in (("lex-mondo/terms.tsv.gz", 1), ("lex-doid/terms.tsv.gz", 1), ("lex-mesh/terms.tsv.gz", 1)):
        yield from _terms(folder / path, column)


def chinese(folder: Path) -> Iterator[str]:
    """Consultations without a cue of a name or place, trial criteria, medical words."""
    with gzip.open(folder / "toyhom" / "consultations.csv.gz", "rt", encoding="utf-8") as file:
        texts = [text for row in csv.DictReader(file) for text in (row["ask"], row["answer"])]
    with gzip.open(folder / "huatuo-qa" / "qa.jsonl.gz", "rt", encoding="utf-8") as file:
        texts += [text for line in file for text in (json.loads(line)["question"], json.loads(line)["answer"])]
    texts += list(_terms(folder / "chineseblue" / "cmedtc_train.tsv.gz", 1))
    texts += list(_terms(folder / "chineseblue" / "cmedic_train.tsv.gz", 1)) + list(
        _terms(folder / "lex-thuocl" / "medical.tsv.gz", 0)
    )
    with gzip.open(folder / "lex-hpo" / "hp-zh.babelon.tsv.gz", "rt", encoding="utf-8") as file:
        texts += [row["translation_value"] for row in csv.DictReader(file, delimiter="\t")][::3]
    yield from (text[:300] for text in texts if text and not _ZH_NAMED.search(text))


def _terms(path: Path, column: int) -> Iterator[str]:
    opener = lzma.open if path.suffix == ".xz" else gzip.open
    with opener(path, "rt", encoding="utf-8") as file:
        next(file)
        for line in file:
            cells = line.rstrip("\n").split("\t")
            if len(cells) > column:
                yield cells[column]


def titled(text: str) -> Marked:
    """A text whose only names follow a title, with those marked."""
    return text, [(m.start(1), m.end(1), "NAME") for m in _TITLED.finditer(text)]
