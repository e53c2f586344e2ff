"""The composition root and the web edge: the only module that builds adapters or knows about HTTP."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry, generate_latest
from starlette.exceptions import HTTPException

from assistant import completions, wire
from assistant.chat import Connection, server_sent
from assistant.live import LiveTurns
from assistant.models import LocalChat, ServedChat
from assistant.ports import ChatModel
from assistant.settings import Settings
from assistant.store import SqlStore
from assistant.turn import Deps
from assistant.types import StoreFailed, Turn, TurnEvent, UnknownSession
from retrieval.embed import Bilingual
from retrieval.encoder_zh import ChineseEncoder
from retrieval.index import IndexPlace, build, fresh, open_index
from retrieval.library import SiteLibrary
from retrieval.store import ChromaStore
from retrieval.types import Locale, RetrievalError
from safety.deidentify import deidentify
from safety.entailment import Reader, held
from safety.guard import Guard
from safety.interview import Interview
from safety.premises import Premises
from safety.pseudonyms import Pseudonyms
from safety.rails import NemoRails
from safety.red_flags import RedFlags
from safety.triage import triage
from safety.types import PatientContext

log = logging.getLogger(__name__)
WEB = Path(__file__).parent / "web"
BODY = 64_000  # bytes of a request or frame
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'self'; "
    "base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def build_deps(settings: Settings, progress: Callable[[Any], Any] = iter) -> Deps:
    """Every adapter, chosen by the settings; builds the index when it is missing or stale. Loads side by side."""
    place, chroma, url = IndexPlace(settings.data_dir / "index"), settings.chroma_url, settings.database_url
    with ThreadPoolExecutor(4) as pool:
        chat = pool.submit(_model, settings)
        chinese = ChineseEncoder()
        guard = Guard(chinese)
        flags, interview = pool.submit(RedFlags.load, guard=guard), pool.submit(Interview.load, guard=guard)
        embedder = Bilingual(chinese=chinese)
        rails = pool.submit(NemoRails, guard=guard)
        vectors = ChromaStore.server(chroma) if chroma else ChromaStore.embedded(place.folder / "chroma")
        if not fresh(place, vectors, embedder):
            build(place, vectors, embedder, progress)
        shelf = settings.data_dir / "library"
        library = SiteLibrary.at(shelf, chroma, embedder) if (shelf / "manifest.sqlite3").exists() else None
        retriever = open_index(place, vectors, embedder, library)
        store = SqlStore(url) if url else SqlStore.sqlite(settings.data_dir / "doctor.sqlite3")
        premises = Premises.load(embedder)
        return Deps(chat.result(), retriever, flags.result(), interview.result(), rails.result(), premises, store)


def _model(settings: Settings) -> ChatModel:
    if settings.llm_url:
        return ServedChat(settings.llm_url, settings.llm_model, settings.llm_api_key.get_secret_value())
    return LocalChat()


async def warm_up(deps: Deps) -> None:
    """Asks each part once in each language, so that nobody's first question pays for loading."""
    asked: dict[Locale, str] = {"en": "my child has a fever", "zh": "孩子发烧怎么办"}
    for locale, question in asked.items():
        try:
            await deps.retriever.search(question, locale=locale, k=1)
        except RetrievalError as error:  # the server starts all the same; /readyz tells what is down
            log.error("search is down: %s", error)
        await deps.rails.check("input", question, locale)
        await deps.rails.check("output", question, locale)


def create_app(deps: Deps | Callable[[], Deps], settings: Settings | None = None) -> FastAPI:
    """The server over `deps`, or over what a function builds at the start."""
    settings, registry = settings or Settings(), CollectorRegistry()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.deps = deps if isinstance(deps, Deps) else deps()
        app.state.live = LiveTurns(app.state.deps, registry)
        await warm_up(app.state.deps)
        yield
        await app.state.live.close()

    app = FastAPI(
        title="Virtual Doctor", version=version("virtual-doctor"), lifespan=lifespan, docs_url="/docs", redoc_url=None
    )
    app.state.country = settings.country

    @app.middleware("http")
    async def guard(request: Request, call_next: Any) -> Response:
        length = request.headers.get("content-length", "none" if "transfer-encoding" in request.headers else "0")
        if not length.isdigit() or int(length) > BODY:
            return fault(request, 413, "Body too large", f"send at most {BODY} bytes, with a content-length")
        response: Response = await call_next(request)
        if not request.url.path.startswith("/docs"):
            response.headers.update(HEADERS)
        return response

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return PlainTextResponse(generate_latest(registry), media_type="text/plain; version=0.0.4")

    _errors(app)
    _health(app)
    _chat(app)
    _completions(app)
    _parts(app)
    app.mount("/web", StaticFiles(directory=WEB), name="web")
    app.add_api_route("/", lambda: FileResponse(WEB / "patient.html"), include_in_schema=False)
    return app


def problem(status: int, title: str, detail: str, errors: list[dict[str, str]] | None = None) -> JSONResponse:
    """An RFC 9457 answer. It never repeats what was sent."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "errors": errors or []}
    return JSONResponse(body, status, media_type="application/problem+json")


def fault(request: Request, status: int, title: str, detail: str, errors: Sequence[dict[str, str]] = ()) -> JSONResponse:
    """An error in the form that the caller's side of the API has: OpenAI's under /v1/, RFC 9457 elsewhere."""
    if not request.url.path.startswith("/v1/"):
        return problem(status, title, detail, list(errors))
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return JSONResponse(
        completions.error(detail, kind, errors[0]["field"] if errors else None), 400 if status == 422 else status
    )


def _errors(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        fields = [{"field": ".".join(str(p) for p in e["loc"][1:]) or "body", "message": e["msg"]} for e in error.errors()]
        return fault(request, 422, "Invalid request", "; ".join(f"{f['field']}: {f['message']}" for f in fields), fields)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        return fault(request, error.status_code, str(error.detail), str(error.detail))

    @app.exception_handler(UnknownSession)
    async def unknown(request: Request, error: UnknownSession) -> JSONResponse:
        return fault(request, 404, "Unknown session", str(error))

    @app.exception_handler(StoreFailed)
    @app.exception_handler(RetrievalError)
    async def down(request: Request, error: Exception) -> JSONResponse:
        detail = "a part of the service does not answer; /readyz says which"
        return fault(request, 503, "Temporarily unavailable", detail)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        log.error("unexpected %s", type(error).__name__)
        return fault(request, 500, "Internal error", "the fault was logged")


def _health(app: FastAPI) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz(request: Request) -> Response:
        deps: Deps = request.app.state.deps
        try:
            index = bool(await deps.retriever.search("fever", locale="en", k=1))
        except RetrievalError:
            index = False
        rails = not (await deps.rails.check("input", "I have a cough", "en")).stops
        state = {"store": await deps.store.ready(), "index": index, "rails": rails, "model": deps.model.name}
        ready = all(state.values())
        return JSONResponse({"ready": ready, **state}, 200 if ready else 503)


def _chat(app: FastAPI) -> None:
    @app.websocket("/api/v1/chat")
    async def chat(socket: WebSocket) -> None:
        await socket.accept()
        connection = Connection(socket.app.state.live, socket.send_json, socket.app.state.country)
        try:
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                data = message.get("text") or message.get("bytes") or ""
                if len(data) > BODY:
                    return await socket.close(1009, "frame too large")
                if not await connection.take(data):
                    return await socket.close(1008, "too many invalid frames")
        except (WebSocketDisconnect, RuntimeError):
            return
        finally:
            await connection.close()

    @app.post("/api/v1/chat")
    async def chat_http(request: Request, body: wire.ChatBody) -> Response:
        deps: Deps = request.app.state.deps
        session = await deps.store.open_session(locale=body.locale, role=body.role, session_id=body.session)
        country = body.country or request.app.state.country
        turn = Turn(session, f"http-{time.time_ns()}", body.text, locale=body.locale, role=body.role, country=country)
        turn, _ = await deps.store.start_turn(turn)
        if "text/event-stream" in request.headers.get("accept", ""):
            return _streamed(server_sent(turn, app.state.live))
        await app.state.live.run(turn, _ignore)
        return JSONResponse({"session": session, **wire.recorded(turn)})

    @app.get("/api/v1/passages/{passage_id:path}")
    async def passage(request: Request, passage_id: str, locale: Locale = "en") -> dict[str, Any]:
        try:
            return wire.passage_body(request.app.state.deps.retriever.passage(passage_id), locale)
        except KeyError:
            raise HTTPException(404, "no such passage: take passage_id from a source") from None


async def _ignore(_: TurnEvent) -> None:
    """Nobody is listening while the turn runs; the whole answer is sent at its end."""


def _streamed(events: AsyncIterator[str]) -> StreamingResponse:
    return StreamingResponse(events, media_type="text/event-stream", headers=HEADERS)


def _completions(app: FastAPI) -> None:
    created = int(time.time())

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return completions.models(created)

    @app.post("/v1/chat/completions")
    async def complete(request: Request, body: completions.CompletionBody) -> Response:
        live: LiveTurns = request.app.state.live
        turn = await completions.begin(body, live.deps, request.app.state.country)
        return _streamed(completions.stream(turn, live)) if body.stream else JSONResponse(await completions.whole(turn, live))


def _parts(app: FastAPI) -> None:
    @app.post("/api/v1/retrieve")
    async def retrieve(request: Request, body: wire.RetrieveBody) -> dict[str, Any]:
        deps: Deps = request.app.state.deps
        found = await deps.retriever.search(body.query, locale=body.locale, k=body.k, clinician=body.role == "clinician")
        return {"passages": [wire.hit(item, body.locale) for item in found], "abstained": not found}

    @app.post("/api/v1/triage")
    async def urgency(request: Request, body: wire.TriageBody) -> dict[str, Any]:
        deps: Deps = request.app.state.deps
        patient = PatientContext(age_years=body.age, sex=body.sex, pregnant=body.pregnant)
        text = f"{body.text}\n{body.history}" if body.history else body.text
        replies = [(reply.question_id, reply.value) for reply in body.replies]
        found = triage(
            deps.red_flags, deps.interview, text, locale=body.locale, patient=patient, country=body.country, replies=replies
        )
        return wire.triaged(found, body.locale)

    @app.post("/api/v1/rails/check")
    async def rails(request: Request, body: wire.RailsBody) -> dict[str, Any]:
        deps: Deps = request.app.state.deps
        if body.direction == "input":
            flags = deps.red_flags.check(body.text, locale=body.locale)
            if flags.stops:
                return wire.verdict(flags)
        return wire.verdict(await deps.rails.check(body.direction, body.text, body.locale))

    @app.post("/api/v1/deidentify")
    async def deid(body: wire.DeidBody) -> dict[str, Any]:
        pseudonyms = Pseudonyms() if body.mode == "pseudonymise" else None
        found = await asyncio.to_thread(deidentify, body.text, body.mode, body.locale, (), pseudonyms)
        return {"text": found.text, "entities": [asdict(entity) for entity in found.entities]}

    reader = Reader()  # it loads its weights at the first claim

    @app.post("/api/v1/verify")
    async def verify(body: wire.VerifyBody) -> dict[str, Any]:
        found, index = await asyncio.to_thread(held, body.claim, body.evidence, reader)
        problems = [{"kind": p.kind, "text": p.text} for p in found.problems]
        return {"supported": found.supported, "score": found.score, "problems": problems, "evidence_index": index}
