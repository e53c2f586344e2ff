"""The web edge: problem documents, limits, headers, and the socket over real HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient
from websockets.asyncio.client import connect

from assistant.app import BODY, create_app
from tests.conftest import free_port
from tests.fakes import DRINKS, HOME, FakeRails, FakeRetriever, FakeStore
from tests.test_turn import CITED, Endless, deps


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(create_app(deps(CITED, CITED, CITED)), raise_server_exceptions=False) as made:
        yield made


def test_a_question_over_http_gets_sentences_and_sources(client: TestClient) -> None:
    body = client.post("/api/v1/chat", json={"text": "my child has a fever"}).json()
    assert body["kind"] == "answer"
    assert body["sentences"][0]["text"] == DRINKS.text["en"]
    assert body["sources"][0]["passage_id"] == HOME.id
    assert body["session"]


def test_the_same_frames_come_as_server_sent_events(client: TestClient) -> None:
    answer = client.post("/api/v1/chat", json={"text": "fever"}, headers={"accept": "text/event-stream"})
    events = [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")]
    assert events[-1] == "done"
    assert "sentence" in events
    datas = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert datas[-1]["kind"] == "answer"


def test_the_socket_answers(client: TestClient) -> None:
    with client.websocket_connect("/api/v1/chat") as socket:
        socket.send_json({"type": "hello"})
        assert socket.receive_json()["type"] == "ready"
        socket.send_bytes(b"\x00\xff")
        assert socket.receive_json()["code"] == "invalid_frame"
        socket.send_json({"type": "message", "id": "m1", "text": "fever"})
        seen: list[dict[str, Any]] = []
        while not seen or seen[-1]["type"] != "done":
            seen.append(socket.receive_json())
        assert DRINKS.text["en"] in [f.get("text") for f in seen]


def test_an_oversized_frame_closes_with_1009(client: TestClient) -> None:
    with client.websocket_connect("/api/v1/chat") as socket:
        socket.send_text("x" * (BODY + 1))
        assert socket.receive()["code"] == 1009


def test_endless_bad_frames_close_with_1008(client: TestClient) -> None:
    with client.websocket_connect("/api/v1/chat") as socket:
        for _ in range(10):
            socket.send_text("nonsense")
        received = [socket.receive() for _ in range(11)]
        assert received[-1]["code"] == 1008


BAD_BODIES = [
    ("/api/v1/chat", {}, "text"),
    ("/api/v1/chat", {"text": ""}, "text"),
    ("/api/v1/chat", {"text": "x", "locale": "fr"}, "locale"),
    ("/api/v1/chat", {"text": "x", "surprise": 1}, "surprise"),
    ("/api/v1/retrieve", {"query": "x", "k": 0}, "k"),
    ("/api/v1/rails/check", {"text": "x", "direction": "sideways"}, "direction"),
    ("/api/v1/triage", {"text": "x", "age": -1}, "age"),
    ("/api/v1/verify", {"claim": "x", "evidence": "not a list"}, "evidence"),
]


@pytest.mark.parametrize(("path", "body", "field"), BAD_BODIES)
def test_a_bad_body_names_the_field_as_a_problem_document(
    client: TestClient, path: str, body: dict[str, Any], field: str
) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "detail"} <= problem.keys()
    assert field in [e["field"] for e in problem["errors"]]


def test_what_is_no_json_is_a_client_error(client: TestClient) -> None:
    answer = client.post("/api/v1/chat", content=b"\xff\x00nonsense", headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert "nonsense" not in answer.text


def test_a_megabyte_is_refused_before_it_is_read(client: TestClient) -> None:
    answer = client.post("/api/v1/chat", content=b"x" * 1_000_000)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/nowhere", "/web/../settings.py", "/web/%2e%2e/settings.py"])
def test_an_unknown_path_is_a_404_problem(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_unknown_session_is_a_404_problem() -> None:
    class Forgetful(FakeStore):
        async def open_session(self, **_: Any) -> str:
            from assistant.types import UnknownSession

            raise UnknownSession("no session")

    with TestClient(create_app(deps(store=Forgetful()))) as client:
        assert client.post("/api/v1/chat", json={"text": "x", "session": "gone"}).status_code == 404


@pytest.mark.parametrize("call", ["open_session", "start_turn", "finish"])
def test_a_store_that_cannot_write_is_a_503_problem_and_shows_nothing(call: str) -> None:
    with TestClient(create_app(deps(CITED, store=FakeStore(broken=call))), raise_server_exceptions=False) as client:
        answer = client.post("/api/v1/chat", json={"text": "fever"})
        assert answer.status_code == 503
        assert DRINKS.text["en"] not in answer.text


def test_readiness_names_what_is_down() -> None:
    from retrieval.types import StoreUnreachable

    with TestClient(create_app(deps(retriever=FakeRetriever(StoreUnreachable("down"))))) as client:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["index"] is False
    with TestClient(create_app(deps(rails=FakeRails(input=__import__("safety.types").types.Decision.STOP)))) as client:
        assert client.get("/readyz").json()["rails"] is False


def test_health_metrics_and_a_page_are_served(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").status_code == 200
    client.post("/api/v1/chat", json={"text": "my secret illness"})
    metrics = client.get("/metrics").text
    assert 'doctor_turns_total{kind="answer",path="model"} 1.0' in metrics
    assert "secret" not in metrics
    page = client.get("/")
    assert "virtual-doctor" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]


def test_a_passage_opens_by_its_percent_encoded_id(client: TestClient) -> None:
    answer = client.get("/api/v1/passages/fever-in-children%2Fself_care%23fluids", params={"locale": "zh"}).json()
    assert answer["claims"][0]["text"] == DRINKS.text["zh"]
    assert answer["claims"][0]["sources"][0]["publisher"] == "NICE"
    assert client.get("/api/v1/passages/nothing").status_code == 404


def test_the_parts_answer_alone(client: TestClient) -> None:
    found = client.post("/api/v1/retrieve", json={"query": "fever"}).json()
    assert found["abstained"] is False
    assert found["passages"][0]["ledger"] == "guideline"
    assert client.post("/api/v1/triage", json={"text": "fever"}).json()["disposition"] is None
    assert client.post("/api/v1/rails/check", json={"direction": "output", "text": "x"}).json()["decision"] == "allow"
    masked = client.post("/api/v1/deidentify", json={"text": "Call me on 020 7946 0018", "mode": "mask"}).json()
    assert "7946" not in masked["text"]
    assert masked["entities"][0]["type"] == "PHONE"
    held = client.post("/api/v1/verify", json={"claim": "Gout hurts.", "evidence": ["Tea is allowed.", "Gout hurts."]}).json()
    assert held == {"supported": True, "score": 1.0, "problems": [], "evidence_index": 1}
    assert client.post("/api/v1/verify", json={"claim": "x", "evidence": []}).json()["supported"] is False


def test_what_is_published_is_what_the_interface_fixes(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    fixed = {
        "/healthz", "/readyz", "/api/v1/chat", "/api/v1/retrieve", "/api/v1/triage", "/api/v1/rails/check", "/api/v1/verify",
        "/api/v1/deidentify", "/v1/chat/completions", "/v1/models",
    }  # fmt: skip
    assert fixed <= paths.keys()


def test_the_turns_of_every_way_in_are_counted(client: TestClient) -> None:
    client.post("/api/v1/chat", json={"text": "fever"}, headers={"accept": "text/event-stream"})
    client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "fever"}]})
    with client.websocket_connect("/api/v1/chat") as socket:
        socket.send_json({"type": "hello"})
        socket.send_json({"type": "message", "id": "m1", "text": "fever"})
        while socket.receive_json()["type"] != "done":
            """The frames before it."""
    metrics = client.get("/metrics").text
    assert 'doctor_turns_total{kind="answer",path="model"} 3.0' in metrics
    assert "doctor_turn_seconds_count 3.0" in metrics


def test_a_body_of_unknown_length_is_refused_before_it_is_read(client: TestClient) -> None:
    answer = client.post("/api/v1/chat", content=iter([b"x" * 10]))
    assert answer.status_code == 413
    assert "content-length" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/api/v1/chat", {"text": "fever"}, {"accept": "text/event-stream"}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "fever"}], "stream": True}, {}),
    ],
)
async def test_a_client_that_drops_its_stream_stops_the_turn_which_is_on_record(
    path: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    model = Endless()
    made = deps(model=model)
    async with serving(create_app(made)) as base, httpx.AsyncClient(base_url=base) as client:
        async with client.stream("POST", path, json=body, headers=headers) as answer:
            async for line in answer.aiter_lines():
                if DRINKS.text["en"] in line:
                    break
        await made.store.recorded_one.wait()  # type: ignore[attr-defined]
    [(turn, _)] = made.store.finished  # type: ignore[attr-defined]
    assert turn.stopped
    assert model.closed == 1


async def test_a_client_that_drops_its_socket_stops_the_turn_which_is_on_record() -> None:
    made = deps(model=Endless())
    async with serving(create_app(made)) as base:
        async with connect(f"{base.replace('http', 'ws')}/api/v1/chat") as socket:
            await socket.send('{"type": "hello"}')
            await socket.send('{"type": "message", "id": "m1", "text": "fever"}')
            async for said in socket:
                if json.loads(said)["type"] == "sentence":
                    break
        await made.store.recorded_one.wait()  # type: ignore[attr-defined]
    [(turn, _)] = made.store.finished  # type: ignore[attr-defined]
    assert turn.stopped


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """A real server over `app`, on a free port; gives its address."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    task = asyncio.create_task(server.serve())
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task
