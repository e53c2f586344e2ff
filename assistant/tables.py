"""The tables of the session store. A change here needs a migration in `assistant/migrations/versions`."""

from sqlalchemy import Column, Float, ForeignKey, Integer, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()
_ID = String(36)
_AT = String(32)  # ISO 8601, UTC

sessions = Table(
    "sessions", metadata,
    Column("id", _ID, primary_key=True), Column("created_at", _AT, nullable=False),
    Column("locale", String(2), nullable=False), Column("role", String(12), nullable=False),
)  # fmt: skip

turns = Table(
    "turns", metadata,
    Column("id", _ID, primary_key=True), Column("session_id", _ID, ForeignKey("sessions.id"), nullable=False, index=True),
    Column("client_id", String(64), nullable=False), Column("started_at", _AT, nullable=False), Column("finished_at", _AT),
    Column("locale", String(2), nullable=False), Column("role", String(12), nullable=False),
    Column("user_text", Text, nullable=False), Column("question", Text), Column("kind", String(12)),
    Column("disposition", String(12)), Column("path", String(12)), Column("topic", String(128)), Column("draft", Text),
    Column("error", Text), Column("took_ms", Float), Column("answer", Text),
    UniqueConstraint("session_id", "client_id"),
)  # fmt: skip

sentences = Table(
    "sentences", metadata,
    Column("turn_id", _ID, ForeignKey("turns.id"), primary_key=True), Column("number", Integer, primary_key=True),
    Column("text", Text, nullable=False), Column("citations", Text, nullable=False), Column("ledger", String(12)),
    Column("section", String(32)), Column("score", Float),
)  # fmt: skip

verdicts = Table(
    "verdicts", metadata,
    Column("turn_id", _ID, ForeignKey("turns.id"), primary_key=True), Column("number", Integer, primary_key=True),
    Column("rail", String(32), nullable=False), Column("decision", String(12), nullable=False), Column("category", String(32)),
    Column("reason", Text), Column("took_ms", Float), Column("timings", Text),
)  # fmt: skip

evidence = Table(
    "evidence", metadata,
    Column("turn_id", _ID, ForeignKey("turns.id"), primary_key=True), Column("label", String(8), primary_key=True),
    Column("passage_id", String(256), nullable=False), Column("score", Float),
)  # fmt: skip

feedback = Table(
    "feedback", metadata,
    Column("id", Integer, primary_key=True, autoincrement=True), Column("turn_id", _ID, ForeignKey("turns.id"), nullable=False),
    Column("at", _AT, nullable=False), Column("rating", String(12), nullable=False), Column("comment", Text),
)  # fmt: skip

audit = Table(
    "audit", metadata,
    Column("id", Integer, primary_key=True, autoincrement=False), Column("at", _AT, nullable=False),
    Column("event", String(32), nullable=False), Column("session_id", _ID, nullable=False),
    Column("payload", Text, nullable=False),
    Column("previous", String(64), nullable=False), Column("hash", String(64), nullable=False),
)  # fmt: skip

audit_head = Table("audit_head", metadata, Column("id", Integer, primary_key=True))
