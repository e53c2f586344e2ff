"""The command `doctor`. Every command takes --json."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

os.environ.update(
    ANONYMIZED_TELEMETRY="False", DO_NOT_TRACK="1", HF_HUB_OFFLINE="1", LANGSMITH_TRACING="false",
    NEMO_GUARDRAILS_NO_USAGE_STATS="1", TOKENIZERS_PARALLELISM="false",
)  # fmt: skip

from assistant.batch import progress_bar, rows
from assistant.ingest import ingest
from assistant.settings import Settings
from assistant.types import AssistantError, Role
from retrieval.types import Locale, RetrievalError
from safety.types import PatientContext, SafetyError

app = typer.Typer(
    help="Virtual Doctor: health questions, answered with evidence.", no_args_is_help=True, pretty_exceptions_enable=False
)
audit = typer.Typer(help="The audit trail.", no_args_is_help=True)
app.add_typer(audit, name="audit")
app.command()(ingest)
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Lang = Annotated[Locale, typer.Option(help="Language of the answer.")]
Who = Annotated[Role, typer.Option(help="Who asks.")]
Batch = Annotated[Path | None, typer.Option(help="A JSONL file: one input a line, one output a line.")]
Mode = Annotated[Literal["mask", "pseudonymise"], typer.Option(help="Mask, or give each person a stable stand-in.")]
Text = Annotated[str | None, typer.Argument(help="One input; leave it out with --batch.")]


@app.command()
def serve(port: Annotated[int | None, typer.Option(help="Port; default: the setting.")] = None, as_json: Json = False) -> None:
    """Build the index when it is missing or stale, start the server, print the address."""
    import uvicorn

    from assistant.app import BODY, build_deps, create_app
    from safety.redacting import LOGS

    settings = Settings()
    deps = build_deps(settings, progress_bar("index"))
    address = f"http://{settings.host}:{port or settings.port}"
    said = f"Virtual Doctor answers at {address}  (stop with Ctrl+C)"
    _print({"address": address, "passages": len(deps.retriever)}, as_json, said)
    uvicorn.run(
        create_app(deps, settings), host=settings.host, port=port or settings.port, log_level="warning", log_config=LOGS,
        ws_max_size=BODY * 2,
    )  # fmt: skip


@app.command()
def index(as_json: Json = False) -> None:
    """Build the index when it is missing or stale."""
    from assistant.app import build_deps

    deps = build_deps(Settings(), progress_bar("index"))
    _print({"passages": len(deps.retriever)}, as_json, f"{len(deps.retriever)} passages")


@app.command()
def ask(text: str, locale: Lang = "en", role: Who = "patient", as_json: Json = False) -> None:
    """One turn, printed with its sources."""
    _print_turn(asyncio.run(_turns([text], locale, role))[0], as_json)


@app.command()
def chat(locale: Lang = "en", role: Who = "patient", as_json: Json = False) -> None:
    """A conversation in the terminal; an empty line ends it."""
    asyncio.run(_conversation(locale, role, as_json))


@app.command()
def retrieve(
    text: Text = None, locale: Lang = "en", role: Who = "patient", k: int = 4, batch: Batch = None, as_json: Json = False
) -> None:
    """The passages for a question."""
    from assistant.app import build_deps
    from assistant.wire import hit

    deps = build_deps(Settings(), progress_bar("index"))
    for row in rows(text, batch):
        found = asyncio.run(
            deps.retriever.search(row["text"], locale=row.get("locale", locale), k=k, clinician=role == "clinician")
        )
        passages = [hit(item, row.get("locale", locale)) for item in found]
        lines = [f"{p['score']:.2f}  {p['id']}\n      {p['text']}" for p in passages] or ["nothing above the floor"]
        _print({"passages": passages, "abstained": not found}, as_json or batch is not None, "\n".join(lines))


@app.command()
def rails(
    text: Text = None, direction: Annotated[Literal["input", "output"], typer.Option()] = "input", locale: Lang = "en",
    batch: Batch = None, as_json: Json = False,
) -> None:  # fmt: skip
    """What the rails decide on a text."""
    from assistant.wire import verdict
    from safety.guard import Guard
    from safety.rails import NemoRails
    from safety.red_flags import RedFlags

    guard = Guard()
    engine, flags = NemoRails(guard=guard), RedFlags.load(guard=guard)
    for row in rows(text, batch):
        lang = row.get("locale", locale)
        first = flags.check(row["text"], locale=lang) if direction == "input" else None
        found = first if first and first.stops else asyncio.run(engine.check(direction, row["text"], lang))
        line = f"{found.decision}  {found.rail}/{found.category}  {found.reason}  {found.took_ms:.1f} ms\n{found.reply}".strip()
        _print(verdict(found), as_json or batch is not None, line)


@app.command()
def triage(
    text: Text = None,
    age: float | None = None,
    sex: Annotated[str | None, typer.Option(help="female or male")] = None,
    pregnant: bool | None = None,
    locale: Lang = "en",
    batch: Batch = None,
    as_json: Json = False,
) -> None:
    """How urgent a message is, why, and what would still be asked. A batch row may give age, sex, pregnant, history, replies."""
    from assistant.wire import triaged
    from safety.guard import Guard
    from safety.interview import Interview
    from safety.red_flags import RedFlags
    from safety.triage import triage as assess

    guard = Guard()
    flags, interview = RedFlags.load(guard=guard), Interview.load(guard=guard)
    for row in rows(text, batch):
        lang = row.get("locale", locale)
        patient = PatientContext(row.get("age", age), row.get("sex", sex), row.get("pregnant", pregnant))
        told = f"{row['text']}\n{row['history']}" if row.get("history") else row["text"]
        replies = [(reply["question_id"], reply["value"]) for reply in row.get("replies", ())]
        found = assess(flags, interview, told, locale=lang, patient=patient, replies=replies)
        lines = [
            found.level or "no complaint that is known",
            *(f"  {r.text}  ({', '.join(r.words)})" for r in found.reasons),
            found.card or found.act,
            *(f"? {asked.text[lang]}" for asked in found.questions),
        ]
        _print(triaged(found, lang), as_json or batch is not None, "\n".join(line for line in lines if line))


@app.command()
def verify(
    claim: str,
    evidence: Annotated[list[str], typer.Option(help="A text that may hold the claim; repeat it for more.")],
    as_json: Json = False,
) -> None:
    """Whether a text holds a claim."""
    from safety.entailment import Reader, held

    found, _ = held(claim, evidence, Reader())
    body = {
        "supported": found.supported,
        "score": found.score,
        "problems": [{"kind": p.kind, "text": p.text} for p in found.problems],
    }
    first = f"{'supported' if found.supported else 'not supported'}  {found.score:.2f}"
    _print(body, as_json, "\n".join([first, *(f"  {p.kind}: {p.text}" for p in found.problems)]))


@app.command()
def deid(text: Text = None, mode: Mode = "mask", batch: Batch = None, as_json: Json = False) -> None:
    """A text without what tells whose it is."""
    from safety.deidentify import deidentify
    from safety.pseudonyms import Pseudonyms

    pseudonyms = Pseudonyms() if mode == "pseudonymise" else None
    for row in rows(text, batch):
        found = deidentify(row["text"], mode, row.get("locale"), pseudonyms=pseudonyms)
        body = {"text": found.text, "entities": [asdict(entity) for entity in found.entities]}
        _print(body, as_json or batch is not None, found.text)


@app.command("eval")
def evaluate(
    suite: Literal["safety", "triage", "verify", "deid", "retrieval"], as_json: Json = False,
    data: Annotated[Path | None, typer.Option(help="A .jsonl file or a folder of them; default: our own small set.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of report.html and report.json.")] = None,
) -> None:  # fmt: skip
    """Measure a part on labelled rows, in a process of its own: nothing here may import what measures it."""
    given = [*(["--data", str(data)] if data else []), *(["--out", str(out)] if out else []), *(["--json"] if as_json else [])]
    raise typer.Exit(subprocess.run([sys.executable, "-m", "finetune.evaluate", suite, *given], check=False).returncode)  # noqa: S603


@audit.command("verify")
def audit_verify(as_json: Json = False) -> None:
    """Check the hash chain; exit 1 when it is broken."""
    from assistant.store import first_broken

    rows = asyncio.run(_store().audit_rows())
    broken = first_broken(rows)
    _print(
        {"rows": len(rows), "first_broken": broken},
        as_json,
        f"{len(rows)} rows, " + ("whole" if broken is None else f"broken at row {broken}"),
    )
    raise typer.Exit(0 if broken is None else 1)


@audit.command("export")
def audit_export(as_json: Json = False) -> None:
    """Write the trail, one JSON object a line."""
    for row in asyncio.run(_store().audit_rows()):
        print(json.dumps(row, ensure_ascii=False))


def main() -> None:
    """Entry point: a fault we know ends with its remedy and exit status 2, not with a stack trace."""
    try:
        app()
    except (AssistantError, RetrievalError, SafetyError) as error:
        print(f"doctor: {error}", file=sys.stderr)
        sys.exit(2)


def _print(body: dict[str, Any], as_json: bool, text: str) -> None:
    print(json.dumps(body, ensure_ascii=False) if as_json else text, flush=True)


def _store() -> Any:
    from assistant.store import SqlStore

    settings = Settings()
    return SqlStore(settings.database_url) if settings.database_url else SqlStore.sqlite(settings.data_dir / "doctor.sqlite3")


async def _turns(texts: Sequence[str], locale: Locale, role: Role) -> list[dict[str, Any]]:
    from assistant.app import build_deps
    from assistant.turn import run_turn
    from assistant.types import Turn, TurnEvent
    from assistant.wire import recorded

    async def ignore(_: TurnEvent) -> None:
        """The answer is printed whole."""

    settings = Settings()
    deps = build_deps(settings, progress_bar("index"))
    session, out = await deps.store.open_session(locale=locale, role=role), []
    for number, text in enumerate(texts):
        turn, _ = await deps.store.start_turn(
            Turn(session, f"cli-{number}", text, locale=locale, role=role, country=settings.country)
        )
        await run_turn(turn, deps, ignore)
        out.append(recorded(turn))
    return out


async def _conversation(locale: Locale, role: Role, as_json: bool) -> None:
    from assistant.app import build_deps
    from assistant.turn import run_turn
    from assistant.types import SentenceShown, Turn, TurnEvent
    from assistant.wire import recorded

    async def show(event: TurnEvent) -> None:
        if isinstance(event, SentenceShown) and not as_json:
            print(f"  {event.shown.sentence.text}", flush=True)

    settings = Settings()
    deps = build_deps(settings, progress_bar("index"))
    session, number = await deps.store.open_session(locale=locale, role=role), 0
    while text := (await asyncio.to_thread(input, "> ")).strip():
        turn, _ = await deps.store.start_turn(
            Turn(session, f"cli-{number}", text, locale=locale, role=role, country=settings.country)
        )
        await run_turn(turn, deps, show)
        number += 1
        print(json.dumps(recorded(turn), ensure_ascii=False) if as_json else _sources(recorded(turn)), flush=True)


def _print_turn(body: dict[str, Any], as_json: bool) -> None:
    shown = [f"{s['text']} {''.join(f'[{c}]' for c in s['citations'])}".strip() for s in body["sentences"]]
    level = [f"{body['kind']}" + (f" · {body['disposition']}" if body["disposition"] else "")]
    _print(body, as_json, "\n".join([*level, "", *shown, "", _sources(body), body["disclaimer"]]))


def _sources(body: dict[str, Any]) -> str:
    dated = [{**s, "dated": f" ({s['year']})" if s["year"] else ""} for s in body["sources"]]
    return "".join(f"[{s['label']}] {s['publisher']}: {s['title']}{s['dated']} {s['url'] or ''}\n" for s in dated)


if __name__ == "__main__":
    main()
