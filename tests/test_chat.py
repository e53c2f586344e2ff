"""One connection: good frames are answered, bad ones get an error that names the remedy, nothing is lost or doubled."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.chat import MOST_INVALID, Connection
from tests.fakes import DRINKS, FakeModel, FakeRetriever, FakeStore
from tests.test_turn import CITED, deps


class Client:
    """Collects what the server sends."""

    def __init__(self, **overrides: Any) -> None:
        self.frames: list[dict[str, Any]] = []
        self.connection = Connection(
            overrides.pop("deps", None) or deps(*overrides.pop("script", [CITED]), **overrides), self.send
        )

    async def send(self, frame: dict[str, Any]) -> None:
        json.dumps(frame)
        self.frames.append(frame)

    async def say(self, **frame: Any) -> list[dict[str, Any]]:
        """Sends one frame and waits until what it started has ended; gives the frames that came."""
        before = len(self.frames)
        assert await self.connection.take(json.dumps(frame))
        await asyncio.gather(*self.connection.running.values())
        return self.frames[before:]

    def types(self) -> list[str]:
        return [f["type"] for f in self.frames]


async def greeted(**overrides: Any) -> Client:
    client = Client(**overrides)
    await client.say(type="hello", locale="en", role="patient")
    return client


async def test_hello_opens_a_session_with_the_disclaimer() -> None:
    client = await greeted()
    assert client.frames[0]["type"] == "ready"
    assert client.frames[0]["session"]
    assert "not a diagnosis" in client.frames[0]["disclaimer"]


async def test_a_message_is_answered_sentence_by_sentence_with_sources() -> None:
    frames = await (await greeted()).say(type="message", id="m1", text="my child has a fever")
    assert [f["type"] for f in frames] == ["status", "status", "status", "sentence", "sentence", "done"]
    assert all(f["id"] == "m1" for f in frames)
    assert frames[3]["text"] == DRINKS.text["en"]
    done = frames[-1]
    assert {s["label"] for s in done["sources"]} == {c for f in frames if f["type"] == "sentence" for c in f["citations"]}
    assert done["sources"][0]["publisher"] == "NICE"


BAD: list[tuple[str | bytes, str]] = [
    ("", "not JSON"),
    ("nonsense", "not JSON"),
    (b"\xff\xfe\x00", "not JSON"),
    ("[1, 2]", "frame"),
    ("null", "frame"),
    ('{"type": "launch"}', "type"),
    ('{"type": "message", "id": "m1"}', "text"),
    ('{"type": "message", "id": "m1", "text": 7}', "text"),
    ('{"type": "message", "id": "m1", "text": "   "}', "text"),
    ('{"type": "message", "id": "", "text": "x"}', "id"),
    ('{"type": "hello", "locale": "fr"}', "locale"),
    ('{"type": "hello", "extra": 1}', "extra"),
    ("[" * 100_000, "frame"),
    (json.dumps({"type": "message", "id": "m1", "text": "a" * 30_000}), "text"),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "word"), BAD)
async def test_a_bad_frame_gets_an_error_and_the_connection_stays(frame: str | bytes, word: str) -> None:
    client = await greeted()
    assert await client.connection.take(frame)
    error = client.frames[-1]
    assert error["type"] == "error"
    assert error["code"] == "invalid_frame"
    assert word in error["detail"]
    assert (await client.say(type="message", id="m2", text="fever"))[-1]["type"] == "done"


async def test_an_error_never_repeats_what_was_typed() -> None:
    client = await greeted()
    await client.connection.take(json.dumps({"type": "message", "id": "m1", "text": {"secret": "HIV"}}))
    assert "HIV" not in json.dumps(client.frames[-1])


async def test_too_many_bad_frames_close_the_connection() -> None:
    client = await greeted()
    kept = [await client.connection.take("nonsense") for _ in range(MOST_INVALID)]
    assert kept == [True] * (MOST_INVALID - 1) + [False]


async def test_a_message_before_hello_is_told_to_say_hello() -> None:
    assert (await Client().say(type="message", id="m1", text="fever"))[0]["code"] == "no_hello"


async def test_an_unknown_session_is_told() -> None:
    class Forgetful(FakeStore):
        async def open_session(self, **_: Any) -> str:
            from assistant.types import UnknownSession

            raise UnknownSession("no session 'gone'")

    client = Client(store=Forgetful())
    assert (await client.say(type="hello", session="gone"))[0]["code"] == "unknown_session"


@pytest.mark.parametrize("call", ["start_turn", "finish"])
async def test_an_answer_that_could_not_be_recorded_is_an_error(call: str) -> None:
    client = await greeted(store=FakeStore(broken=call))
    frames = await client.say(type="message", id="m1", text="fever")
    assert frames[-1]["code"] == "not_recorded"
    assert "done" not in [f["type"] for f in frames]


async def test_a_second_message_while_one_is_answered_is_told_to_wait() -> None:
    class Slow(FakeModel):
        async def stream(self, messages: Any) -> Any:
            await asyncio.sleep(0.2)
            yield "Offer a child with fever small drinks often [E1]."

    client = await greeted(model=Slow())
    await client.connection.take(json.dumps({"type": "message", "id": "m1", "text": "fever"}))
    await client.connection.take(json.dumps({"type": "message", "id": "m2", "text": "fever"}))
    assert client.frames[-1]["code"] == "busy"
    await asyncio.gather(*client.connection.running.values())
    assert client.types().count("done") == 1


async def test_stop_ends_the_turn() -> None:
    class Endless(FakeModel):
        async def stream(self, messages: Any) -> Any:
            await asyncio.sleep(60)
            yield "never"

    client = await greeted(model=Endless())
    await client.connection.take(json.dumps({"type": "message", "id": "m1", "text": "fever"}))
    await asyncio.sleep(0.05)
    await client.connection.take(json.dumps({"type": "stop", "id": "m1"}))
    await asyncio.gather(*client.connection.running.values(), return_exceptions=True)
    await asyncio.sleep(0)
    assert client.connection.running == {}


async def test_a_message_that_is_sent_again_gets_the_recorded_answer_once() -> None:
    first = await greeted()
    frames = await first.say(type="message", id="m1", text="fever")
    _, recorded = first.connection.deps.store.finished[0]  # type: ignore[attr-defined]
    second = await greeted(store=FakeStore(recorded=recorded), script=[])
    again = await second.say(type="message", id="m1", text="fever")
    strip = [{k: v for k, v in f.items() if k != "took_ms"} for f in frames if f["type"] in ("sentence", "done")]
    assert [{k: v for k, v in f.items() if k != "took_ms"} for f in again] == strip


async def test_a_choice_asks_the_last_question_again_about_that_topic() -> None:
    d = deps(CITED, retriever=FakeRetriever((), likely=("fever-in-children",)))
    client = await greeted(deps=d)
    frames = await client.say(type="message", id="m1", text="he is hot")
    assert [f["type"] for f in frames if f["type"] != "status"] == ["question", "done"]
    d.retriever.evidence = FakeRetriever().evidence  # type: ignore[attr-defined]
    frames = await client.say(type="reply", id="m2", question_id="topic", value="fever-in-children")
    assert d.retriever.asked[-1] == "Fever in children: he is hot"  # type: ignore[attr-defined]
    assert frames[-1]["kind"] == "answer"


async def test_feedback_is_kept() -> None:
    client = await greeted()
    await client.say(type="feedback", turn_id="t1", rating="helpful", comment="clear")
    assert client.connection.deps.store.feedback == [("t1", "helpful", "clear")]  # type: ignore[attr-defined]


async def test_closing_stops_what_runs() -> None:
    client = await greeted()
    await client.connection.take(json.dumps({"type": "message", "id": "m1", "text": "fever"}))
    await client.connection.close()
    assert all(task.done() for task in client.connection.running.values())


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=8
    )
)
def test_any_json_gets_an_answer_and_never_raises(value: Any) -> None:
    async def run() -> None:
        client = await greeted()
        await client.connection.take(json.dumps(value))

    asyncio.run(run())
