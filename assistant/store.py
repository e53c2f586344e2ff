"""Sessions, turns and the audit chain, in SQLite or PostgreSQL through SQLAlchemy."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy import Connection, Engine, create_engine, event, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from assistant.tables import audit, audit_head, evidence, feedback, sentences, sessions, turns, verdicts
from assistant.types import Exchange, Role, Shown, StoreFailed, Turn, UnknownSession
from retrieval.types import Locale

T = TypeVar("T")
HISTORY = 12  # earlier turns a turn may look back on
GENESIS = "0" * 64


class SqlStore:
    """One class for both databases. Calls run in threads; each is one transaction."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        try:
            _migrate(self._engine)
        except (SQLAlchemyError, OSError) as error:
            raise StoreFailed(
                f"the database does not open ({error!r}): is DATABASE_URL right and data_dir writable?"
            ) from error

    @classmethod
    def sqlite(cls, path: Path) -> "SqlStore":
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(f"sqlite:///{path}")

    async def open_session(self, *, locale: Locale, role: Role, session_id: str | None = None) -> str:
        return await self._write(lambda c: _open_session(c, locale, role, session_id))

    async def start_turn(self, turn: Turn) -> tuple[Turn, dict[str, Any] | None]:
        """Records the message and gives the turn its history. The second value is the recorded answer when the
        client sent this message before (a resend after a lost connection) and it was answered to the end."""
        return await self._write(lambda c: _start_turn(c, turn))

    async def add_sentence(self, turn: Turn, shown: Shown) -> None:
        number = len(turn.shown)
        await self._write(lambda c: c.execute(insert(sentences).values(turn_id=turn.id, number=number, **_sentence(shown))))

    async def finish(self, turn: Turn, answer: dict[str, Any]) -> None:
        """`answer` is the recorded form of what is shown; a resent message gets it again."""
        await self._write(lambda c: _finish(c, turn, answer))

    async def add_feedback(self, turn_id: str, rating: str, comment: str) -> None:
        await self._write(lambda c: _add_feedback(c, turn_id, rating, comment))

    async def audit_rows(self) -> list[dict[str, Any]]:
        """The whole audit trail, oldest first."""
        return await self._write(lambda c: [dict(r) for r in c.execute(select(audit).order_by(audit.c.id)).mappings()])

    async def ready(self) -> bool:
        """Whether the database can be written to."""
        try:
            await self._write(lambda c: c.execute(update(audit_head).values(id=1)))
        except StoreFailed:
            return False
        return True

    def close(self) -> None:
        self._engine.dispose()

    async def _write(self, call: Callable[[Connection], T]) -> T:
        def run() -> T:
            with self._engine.begin() as connection:
                return call(connection)

        work = asyncio.create_task(asyncio.to_thread(run))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:  # a thread cannot be stopped: what it writes must come before what is written next
            await asyncio.gather(work, return_exceptions=True)
            raise
        except (SQLAlchemyError, OSError) as error:
            # The statement's parameters hold what a patient wrote: only the kind of the error goes on.
            raise StoreFailed(f"the database did not take the record ({type(error).__name__}): is the disk full?") from None


def chain_hash(previous: str, at: str, event_: str, session_id: str, payload: str) -> str:
    """SHA-256 over the previous row's hash and this row's fields, separated by newlines."""
    return hashlib.sha256("\n".join([previous, at, event_, session_id, payload]).encode()).hexdigest()


def first_broken(rows: list[dict[str, Any]]) -> int | None:
    """The id of the first audit row that does not follow from the one before it; None when the chain is whole."""
    previous = GENESIS
    for row in rows:
        expected = chain_hash(previous, row["at"], row["event"], row["session_id"], row["payload"])
        if row["previous"] != previous or row["hash"] != expected:
            return int(row["id"])
        previous = row["hash"]
    return None


def _engine(url: str) -> Engine:
    engine = create_engine(url, pool_pre_ping=True)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _pragmas(connection: Any, _: Any) -> None:
            connection.isolation_level = None  # SQLAlchemy begins; the driver's own late begin would break the chain
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA busy_timeout=5000")
            connection.execute("PRAGMA foreign_keys=ON")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _migrate(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _open_session(c: Connection, locale: Locale, role: Role, session_id: str | None) -> str:
    if session_id is not None:
        if c.execute(select(sessions.c.id).where(sessions.c.id == session_id)).first() is None:
            raise UnknownSession(f"no session {session_id!r}: leave `session` out to begin a new one")
        c.execute(update(sessions).where(sessions.c.id == session_id).values(locale=locale))
        return session_id
    new = uuid4().hex
    c.execute(insert(sessions).values(id=new, created_at=_now(), locale=locale, role=role))
    return new


def _start_turn(c: Connection, turn: Turn) -> tuple[Turn, dict[str, Any] | None]:
    seen = c.execute(
        select(turns.c.id, turns.c.answer).where(turns.c.session_id == turn.session_id, turns.c.client_id == turn.client_id)
    ).first()
    answer = json.loads(seen.answer) if seen and seen.answer else None
    if answer and not answer.get("stopped"):
        return turn, answer
    if seen:  # it was cut off: it keeps what it showed under its own id, and the client's id goes to the turn that answers
        c.execute(update(turns).where(turns.c.id == seen.id).values(client_id=seen.id))
    c.execute(
        insert(turns).values(
            id=turn.id,
            session_id=turn.session_id,
            client_id=turn.client_id,
            started_at=turn.started_at.isoformat(),
            locale=turn.locale,
            role=turn.role,
            user_text=turn.user_text,
        )
    )
    turn.history = _history(c, turn)
    return turn, None


def _history(c: Connection, turn: Turn) -> tuple[Exchange, ...]:
    rows = c.execute(
        select(turns.c.user_text, turns.c.topic, turns.c.answer)
        .where(turns.c.session_id == turn.session_id, turns.c.id != turn.id, turns.c.answer.is_not(None))
        .order_by(turns.c.started_at.desc())
        .limit(HISTORY)
    ).all()
    return tuple(Exchange(row.user_text, "", row.topic or "", _asked(row.answer)) for row in reversed(rows))


def _asked(answer: str) -> str:
    question = json.loads(answer)["question"]
    return str(question["question_id"]) if question else ""


def _sentence(shown: Shown) -> dict[str, Any]:
    labels = [{"label": c.label, "passage": c.passage_id, "claims": list(c.claim_ids)} for c in shown.sentence.citations]
    return {
        "text": shown.sentence.text,
        "citations": json.dumps(labels),
        "ledger": shown.ledger,
        "section": shown.section,
        "score": shown.sentence.score,
    }


def _finish(c: Connection, turn: Turn, answer: dict[str, Any]) -> None:
    assert turn.answer is not None
    payload = json.dumps(answer, ensure_ascii=False, sort_keys=True)
    done = len(turn.shown)
    # The last sentence of a turn that was cut off may be on record without having been shown.
    c.execute(sentences.delete().where(sentences.c.turn_id == turn.id, sentences.c.number >= done))
    for number, shown in enumerate(turn.answer.shown[done:], done):
        c.execute(insert(sentences).values(turn_id=turn.id, number=number, **_sentence(shown)))
    for number, v in enumerate(turn.verdicts):
        c.execute(
            insert(verdicts).values(
                turn_id=turn.id,
                number=number,
                rail=v.rail,
                decision=str(v.decision),
                category=v.category,
                reason=v.reason,
                took_ms=v.took_ms,
                timings=json.dumps(v.timings),
            )
        )
    for item in turn.evidence:
        c.execute(insert(evidence).values(turn_id=turn.id, label=item.label, passage_id=item.passage.id, score=item.score))
    topic = turn.evidence[0].passage.topic if turn.evidence and turn.answer.kind == "answer" else None
    c.execute(
        update(turns)
        .where(turns.c.id == turn.id)
        .values(
            finished_at=_now(),
            question=turn.question,
            kind=turn.answer.kind,
            disposition=turn.disposition,
            path=turn.path,
            topic=topic,
            draft=turn.draft,
            error=turn.error,
            took_ms=turn.took_ms,
            answer=payload,
        )
    )
    digest = hashlib.sha256((turn.user_text + "\n" + payload).encode()).hexdigest()
    _audit(
        c,
        "turn",
        turn.session_id,
        {
            "turn": turn.id,
            "kind": turn.answer.kind,
            "stopped": turn.stopped,
            "sha256": digest,
            "verdicts": [[v.rail, str(v.decision), v.category] for v in turn.verdicts],
            "evidence": [item.passage.id for item in turn.evidence],
        },
    )


def _add_feedback(c: Connection, turn_id: str, rating: str, comment: str) -> None:
    session = c.execute(select(turns.c.session_id).where(turns.c.id == turn_id)).scalar()
    if session is None:
        raise UnknownSession(f"no turn {turn_id!r}: feedback needs the turn_id of a `done` frame")
    c.execute(insert(feedback).values(turn_id=turn_id, at=_now(), rating=rating, comment=comment))
    _audit(c, "feedback", session, {"turn": turn_id, "rating": rating})


def _audit(c: Connection, event_: str, session_id: str, payload: dict[str, Any]) -> None:
    # Taking the head row first makes writers wait for each other, in PostgreSQL as in SQLite: the chain has one order.
    c.execute(update(audit_head).values(id=1))
    previous = c.execute(select(audit.c.hash).order_by(audit.c.id.desc()).limit(1)).scalar() or GENESIS
    number = (c.execute(select(func.max(audit.c.id))).scalar() or 0) + 1
    at, text = _now(), json.dumps(payload, sort_keys=True)
    c.execute(
        insert(audit).values(
            id=number,
            at=at,
            event=event_,
            session_id=session_id,
            payload=text,
            previous=previous,
            hash=chain_hash(previous, at, event_, session_id, text),
        )
    )


def _now() -> str:
    return datetime.now(UTC).isoformat()
