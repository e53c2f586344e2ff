"""`python -m finetune.evaluate SUITE [--data DIR]`: measures the product on labelled rows; `doctor eval` starts it.

SUITE is safety, triage, verify, deid or retrieval. Without --data it runs on the small set of `finetune/evals/`, which we wrote
ourselves. Prints tables (or, with --json, report.json) and writes report.html and report.json. docs/eval.md has the fields.
"""

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

os.environ.update(
    ANONYMIZED_TELEMETRY="False", DO_NOT_TRACK="1", HF_HUB_OFFLINE="1", LANGSMITH_TRACING="false",
    NEMO_GUARDRAILS_NO_USAGE_STATS="1", TOKENIZERS_PARALLELISM="false",
)  # fmt: skip

from tqdm import tqdm

from assistant.settings import Settings
from finetune import eval_deid, eval_retrieval, eval_safety, eval_triage, eval_verify
from finetune.charts import can_draw
from finetune.eval_library import medquad, of_library
from finetune.eval_retrieval import distinct
from finetune.eval_rows import EvalError, Loaded, load
from finetune.report import Findings, Table, page, words
from retrieval.embed import Bilingual
from retrieval.index import IndexPlace, build, fresh, open_index
from retrieval.library import SiteLibrary
from retrieval.retriever import FLOOR
from retrieval.store import ChromaStore
from retrieval.types import LOCALES, Locale
from safety.types import SafetyError

EVALS = Path(__file__).parent / "evals"
OWN = {
    "safety": "safety.jsonl",
    "triage": "triage.jsonl",
    "verify": "claims.jsonl",
    "deid": "deid.jsonl",
    "retrieval": "retrieval.jsonl",
}
WARM = ("I have a cough", "我咳嗽")  # asked first, so that no row pays for loading
SHOWN = 20  # rows that could not be read, in the tables; report.json has all
PACKAGES = ("virtual-doctor", "nemoguardrails", "numpy", "torch", "transformers", "matplotlib")
Suite = Callable[[Path], tuple[Loaded[Any], Findings]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a suite; 0, or 2 with the reason on stderr when it cannot run."""
    parser = argparse.ArgumentParser(prog="doctor eval", description=__doc__.splitlines()[0])
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--data", type=Path, help="a .jsonl file, or a folder of them; default: our own small set")
    parser.add_argument("--out", type=Path, help="folder of report.html and report.json; default: eval/SUITE in DATA_DIR")
    parser.add_argument("--json", action="store_true", help="print report.json instead of tables")
    asked = parser.parse_args(arguments)
    try:
        loaded, findings = SUITES[asked.suite](asked.data or EVALS / OWN[asked.suite])
        if len(findings.failed) == len(loaded.rows):
            raise EvalError(f"the product failed on every row; the first: {findings.failed[0].where}: {findings.failed[0].why}")
        body = report(asked.suite, loaded, findings, asked.data)
        place = write(asked.out or Settings().data_dir / "eval" / asked.suite, body, _with_skipped(findings, loaded))
    except (EvalError, SafetyError, OSError) as error:
        print(f"doctor eval: {error}", file=sys.stderr)
        return 2
    shown = words(title(body), _with_skipped(findings, loaded), [*facts(body), ("report", str(place))])
    print(json.dumps(body, ensure_ascii=False) if asked.json else shown, flush=True)
    return 0


def bar(rows: Iterable[Any]) -> Any:
    """How far the run is, on stderr."""
    return tqdm(rows, desc="rows", unit="row", file=sys.stderr)


def safety(data: Path) -> tuple[Loaded[Any], Findings]:
    """The parts are those that `assistant.app.build_deps` gives to /rails/check."""
    from safety.guard import Guard
    from safety.rails import NemoRails
    from safety.red_flags import RedFlags

    loaded, guard = load(data, eval_safety.parse), Guard()
    flags, rails = RedFlags.load(guard=guard), NemoRails(guard=guard)
    eval_safety.judge([eval_safety.parse({"text": text, "label": "safe"}, "") for text in WARM], flags, rails)
    return loaded, eval_safety.run(loaded, bar, flags, rails)


def triage(data: Path) -> tuple[Loaded[Any], Findings]:
    """The parts are those that `assistant.app.build_deps` gives to /triage."""
    from safety.guard import Guard
    from safety.interview import Interview
    from safety.red_flags import RedFlags

    loaded, guard = load(data, eval_triage.parse), Guard()
    flags, interview = RedFlags.load(guard=guard), Interview.load(guard=guard)
    eval_triage.judge([eval_triage.parse({"text": text, "label": "routine"}, ":") for text in WARM], iter, flags, interview)
    return loaded, eval_triage.run(loaded, bar, flags, interview)


def verify(data: Path) -> tuple[Loaded[Any], Findings]:
    from safety.entailment import Reader, held

    loaded, reader = load(data, eval_verify.parse), Reader()
    reader.probabilities([(text, text) for text in WARM])
    limits = {locale: reader.threshold(text) for locale, text in zip(("en", "zh"), WARM, strict=True)}
    return loaded, eval_verify.run(loaded, bar, lambda claim, texts: held(claim, texts, reader)[0], limits)


def deid(data: Path) -> tuple[Loaded[Any], Findings]:
    from safety.deidentify import deidentify

    loaded = load(data, eval_deid.parse)
    return loaded, eval_deid.run(loaded, bar, deidentify)


def retrieval(data: Path) -> tuple[Loaded[Any], Findings]:
    """Topics, by rows that name them; or, given pages in MedQuAD's XML, how their questions find their own page in the library."""
    settings, embedder = Settings(), Bilingual()
    if not data.name.endswith(".jsonl") and (pages := medquad(data)):
        shelf = SiteLibrary.at(settings.data_dir / "library", settings.chroma_url, embedder)
        return of_library(pages, shelf)
    place = IndexPlace(settings.data_dir / "index")
    chroma = ChromaStore.server(settings.chroma_url) if settings.chroma_url else ChromaStore.embedded(place.folder / "chroma")
    if not fresh(place, chroma, embedder):
        build(place, chroma, embedder, bar)
    retriever, loaded = open_index(place, chroma, embedder), load(data, eval_retrieval.parse)

    def search(text: str, locale: Locale) -> eval_retrieval.Search:
        about, bm25, dense = retriever.rankings(text, locale)
        best = about[0][1] if about else 0.0
        ranked = {"fused": [t for t, _ in about], "BM25 alone": distinct(bm25), "dense alone": distinct(dense)}
        return eval_retrieval.Search(ranked, best, best >= FLOOR[locale])

    for text, locale in zip(WARM, LOCALES, strict=True):
        search(text, locale)
    return loaded, eval_retrieval.run(loaded, bar, search)


SUITES: dict[str, Suite] = {"safety": safety, "triage": triage, "verify": verify, "deid": deid, "retrieval": retrieval}


def report(suite: str, loaded: Loaded[Any], findings: Findings, data: Path | None) -> dict[str, Any]:
    """The body of report.json."""
    return {
        "suite": suite,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "-m", "finetune.evaluate", *sys.argv[1:]]),
        "data": {"given": str(data) if data else None, "own_development_set": data is None, "files": loaded.files},
        "commit": commit(),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "machine": {"system": platform.system(), "architecture": platform.machine(), "cores": os.cpu_count()},
        "rows": {"read": len(loaded.rows), "unreadable": len(loaded.skipped), "failed": len(findings.failed)},
        "not_counted": [{"where": bad.where, "why": bad.why} for bad in (*loaded.skipped, *findings.failed)],
        "notes": list(findings.notes),
        "figures": findings.figures,
    }


def commit() -> dict[str, Any] | None:
    """The commit of the tree and whether it was changed since; None outside a git checkout."""
    git, root = shutil.which("git"), Path(__file__).parent.parent
    if git is None or not (root / ".git").exists():
        return None
    head, changed = (
        subprocess.run([git, "-C", str(root), *asked], capture_output=True, text=True, check=False)  # noqa: S603
        for asked in (["rev-parse", "HEAD"], ["status", "--porcelain"])
    )
    return {"id": head.stdout.strip(), "changed_since": bool(changed.stdout.strip())} if head.returncode == 0 else None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _with_skipped(findings: Findings, loaded: Loaded[Any]) -> Findings:
    """The findings with the rows that are in no figure: a note on top, and a table that names them."""
    bad_rows = (*loaded.skipped, *findings.failed)
    if not bad_rows:
        return findings
    count = len(bad_rows)
    note = (
        f"WARNING: {len(loaded.skipped)} rows could not be read, and on {len(findings.failed)} the product itself failed; "
        "they are in no figure and are named below."
    )
    caption = "Rows that are in no figure" + (f": the first {SHOWN} of {count}; report.json has all" if count > SHOWN else "")
    table = Table(caption, ("row", "why"), tuple((bad.where, bad.why) for bad in bad_rows[:SHOWN]))
    return replace(findings, tables=(*findings.tables, table), notes=(note, *findings.notes))


def title(body: dict[str, Any]) -> str:
    kind = " on our own development set" if body["data"]["own_development_set"] else ""
    return f"Virtual Doctor: evaluation {body['suite']!r}{kind}"


def facts(body: dict[str, Any]) -> list[tuple[str, str]]:
    """What a reader must know to judge the figures, or to repeat them."""
    files = ", ".join(f"{file['file']} ({file['rows']} rows, sha256 {file['sha256'][:12]})" for file in body["data"]["files"])
    tree = body["commit"]
    state = f"{tree['id']}{' with changes' if tree['changed_since'] else ''}" if tree else "not a git checkout"
    made = ", ".join(f"{name} {number}" for name, number in body["versions"].items() if number)
    rows = (
        f"{body['rows']['read']} read, {body['rows']['unreadable']} unreadable, the product failed on {body['rows']['failed']}"
    )
    return [
        ("date", body["date"]),
        ("data", files),
        ("rows", rows),
        ("command", body["command"]),
        ("commit", state),
        ("versions", made),
    ]


def write(out: Path, body: dict[str, Any], findings: Findings) -> Path:
    """Writes both reports; returns the page's path. Says on stderr where plots had to be left out."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(body, ensure_ascii=False, indent=1, allow_nan=False) + "\n", "utf-8")
    place = out / "report.html"
    place.write_text(page(title(body), findings, facts(body)), "utf-8")
    if not can_draw():
        print("no plots: install matplotlib (pip install -r requirements-dev.lock, or the extra `train`)", file=sys.stderr)
    return place


if __name__ == "__main__":
    sys.exit(main())
