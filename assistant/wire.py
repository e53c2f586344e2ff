"""The frames and bodies of the API: what comes in (validated) and what goes out (rendered from a turn)."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from assistant.types import Asked, Disposed, Done, Role, SentenceShown, Shown, Status, Turn, TurnEvent
from retrieval.types import Evidence, Locale, Passage
from safety.helplines import call_for
from safety.replies import reply
from safety.triage import Triaged
from safety.types import RailVerdict, Reason

Id = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[\w.-]+$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
TEXT = 20_000  # a text over the turn's own limit gets a reply that says so; beyond this the frame is wrong


class Frame(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Hello(Frame):
    type: Literal["hello"]
    locale: Locale = "en"
    role: Role = "patient"
    token: str | None = Field(None, max_length=8_192)
    session: Id | None = None
    patient_id: Id | None = None
    country: Country | None = None


class MessageFrame(Frame):
    type: Literal["message"]
    id: Id
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=TEXT)]


class ReplyFrame(Frame):
    type: Literal["reply"]
    id: Id
    question_id: Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[\w./-]+$")]
    value: Annotated[str, StringConstraints(min_length=1, max_length=400)]


class FeedbackFrame(Frame):
    type: Literal["feedback"]
    turn_id: Id
    rating: Literal["up", "down", "helpful", "not_helpful"]
    comment: str = Field("", max_length=2_000)


class StopFrame(Frame):
    type: Literal["stop"]
    id: Id


ClientFrame = Annotated[Hello | MessageFrame | ReplyFrame | FeedbackFrame | StopFrame, Field(discriminator="type")]


class ChatBody(Frame):
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=TEXT)]
    session: Id | None = None
    locale: Locale = "en"
    role: Role = "patient"
    patient_id: Id | None = None
    country: Country | None = None


class RetrieveBody(Frame):
    query: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000)]
    k: int = Field(4, ge=1, le=50)
    locale: Locale = "en"
    role: Role = "patient"


class TriageReply(Frame):
    question_id: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    value: Annotated[str, StringConstraints(min_length=1, max_length=400)]


class TriageBody(Frame):
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=TEXT)]
    age: float | None = Field(None, ge=0, le=130)
    sex: Literal["female", "male"] | None = None
    pregnant: bool | None = None
    history: str | None = Field(None, max_length=4_000)
    replies: list[TriageReply] = Field(default_factory=list, max_length=5)
    locale: Locale = "en"
    country: Country | None = None


class RailsBody(Frame):
    direction: Literal["input", "output"]
    text: Annotated[str, StringConstraints(min_length=1, max_length=TEXT)]
    role: Role = "patient"
    locale: Locale = "en"
    question: str | None = Field(None, max_length=TEXT)


class DeidBody(Frame):
    text: Annotated[str, StringConstraints(max_length=TEXT)]
    mode: Literal["mask", "pseudonymise"] = "mask"
    locale: Locale | None = None


class VerifyBody(Frame):
    claim: Annotated[str, StringConstraints(max_length=4_000)]
    evidence: list[Annotated[str, StringConstraints(max_length=20_000)]] = Field(max_length=500)


def frame(event: TurnEvent, client_id: str) -> dict[str, Any]:
    """One event of a turn as the server's frame."""
    match event:
        case Status(stage):
            return {"type": "status", "id": client_id, "stage": stage}
        case SentenceShown(shown):
            return {"type": "sentence", "id": client_id, **sentence(shown)}
        case Disposed(level, reasons):
            return {"type": "disposition", "id": client_id, "level": level, "reasons": [reason(r) for r in reasons]}
        case Asked(question_id, text, choices):
            return {"type": "question", "id": client_id, **question(question_id, text, choices)}
        case Done(turn):
            return {"type": "done", "id": client_id, **done(turn)}


def sentence(shown: Shown) -> dict[str, Any]:
    labels = list(dict.fromkeys(c.label for c in shown.sentence.citations))
    claims = [claim for c in shown.sentence.citations for claim in c.claim_ids]
    return {
        "text": shown.sentence.text,
        "citations": labels,
        "claims": claims,
        "ledger": shown.ledger,
        "section": shown.section,
    }


def question(question_id: str, text: str, choices: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    return {"question_id": question_id, "text": text, "choices": [{"value": value, "label": label} for value, label in choices]}


def reason(item: Reason) -> dict[str, Any]:
    cited = item.source and {
        "publisher": item.source.publisher,
        "title": item.source.title,
        "year": item.source.year,
        "url": item.source.url,
    }
    return {"rule": item.rule, "text": item.text, "words": list(item.words), "citation": cited}


def done(turn: Turn) -> dict[str, Any]:
    """The body of a `done` frame: what a turn came to, with its sources."""
    assert turn.answer is not None
    cited = {c.label for shown in turn.answer.shown for c in shown.sentence.citations}
    kind = turn.answer.kind
    return {
        "turn_id": turn.id,
        "kind": kind,
        "stopped": turn.stopped,
        "disposition": turn.disposition,
        "sources": [source(e, turn.locale, turn) for e in turn.evidence if e.label in cited],
        "question": question(turn.asks, turn.answer.text, turn.choices) if turn.choices else None,
        "artifacts": [],
        "suggestions": [],
        "path": turn.path,
        "disclaimer": reply("disclaimer", turn.locale),
        "notices": [reply("composed", turn.locale)] if kind == "answer" and turn.path == "composed" else [],
        "call": call_for(turn.country, turn.locale, crisis=kind == "crisis")
        if kind in ("emergency", "crisis", "unavailable")
        else None,
        "model": turn.model if turn.path == "model" else None,
        "took_ms": round(turn.took_ms, 1),
    }


def recorded(turn: Turn) -> dict[str, Any]:
    """What is shown of a turn, whole: the form in which it is kept, hashed and sent again."""
    assert turn.answer is not None
    shown = [sentence(item) for item in turn.answer.shown]
    return {"sentences": shown, "reasons": [reason(item) for item in turn.reasons], **done(turn)}


def source(item: Evidence, locale: Locale, turn: Turn) -> dict[str, Any]:
    """One passage as a source: the document behind the claims that were shown, and where to open the passage."""
    shown = {i for s in (turn.answer.shown if turn.answer else ()) for c in s.sentence.citations for i in c.claim_ids}
    documents = list(dict.fromkeys(s for c in item.passage.claims if c.id in shown for s in c.sources))
    first = documents[0] if documents else item.passage.claims[0].sources[0]
    return {
        "label": item.label,
        "title": first.title,
        "publisher": first.publisher,
        "year": first.year,
        "url": first.url,
        "passage": item.passage.say(locale),
        "passage_id": item.passage.id,
        "section": item.passage.section,
        "topic": item.passage.say_title(locale),
        "span": item.passage.span and asdict(item.passage.span),
        "stale": item.passage.stale,
        "score": item.score,
        "documents": [{"publisher": d.publisher, "title": d.title, "year": d.year, "url": d.url} for d in documents],
    }


def passage_body(passage: Passage, locale: Locale) -> dict[str, Any]:
    """A passage with all its claims and their documents, for the dialog behind a source chip."""
    return {
        "id": passage.id,
        "topic": passage.topic,
        "title": passage.say_title(locale),
        "span": passage.span and asdict(passage.span),
        "section": passage.section,
        "reviewed_on": passage.reviewed_on.isoformat() if passage.reviewed_on else None,
        "review_due": passage.review_due.isoformat() if passage.review_due else None,
        "stale": passage.stale,
        "claims": [
            {
                "id": c.id,
                "text": c.say(locale),
                "country": c.country,
                "sources": [{"publisher": s.publisher, "title": s.title, "year": s.year, "url": s.url} for s in c.sources],
            }
            for c in passage.claims
        ],
    }


def triaged(item: Triaged, locale: Locale) -> dict[str, Any]:
    """The body of /triage: the level so far, why, and what is still open, most decisive first."""
    return {
        "disposition": item.level,
        "category": item.category,
        "reasons": [reason(r) for r in item.reasons],
        "reply": item.card or item.act,
        "questions": [
            {
                "id": asked.id,
                "text": asked.text[locale],
                "choices": [{"value": c.value, "label": c.label[locale]} for c in asked.choices],
            }
            for asked in item.questions
        ],
        "come_back": list(item.come_back),
    }


def verdict(item: RailVerdict) -> dict[str, Any]:
    return {
        "decision": str(item.decision),
        "rail": item.rail,
        "category": item.category,
        "reason": item.reason,
        "reply": item.reply,
        "took_ms": round(item.took_ms, 2),
        "timings": [{"rail": rail, "took_ms": round(took, 2)} for rail, took in item.timings],
    }


def hit(item: Evidence, locale: Locale) -> dict[str, Any]:
    documents = dict.fromkeys(s for c in item.passage.claims for s in c.sources)
    return {
        "id": item.passage.id,
        "topic": item.passage.topic,
        "section": item.passage.section,
        "text": item.passage.say(locale),
        "score": item.score,
        "ledger": item.passage.ledger,
        "span": item.passage.span and asdict(item.passage.span),
        "sources": [{"publisher": s.publisher, "title": s.title, "year": s.year, "url": s.url} for s in documents],
    }
