"""One connection: good frames are answered, bad ones get an error that names the remedy, nothing is lost or doubled."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from assistant.chat import MOST_INVALID, Connection
from assistant.live import LiveTurns
from tests.fakes import DRINKS, SUDDEN, UNSURE, AskingOnce, FakeModel, FakeRedFlags, FakeRetriever, FakeStore
from tests.test_turn import CITED, Endless, EndlessRails, deps


class Client:
    """Collects what the server sends."""

    def __init__(self, **overrides: Any) -> None:
        self.frames: list[dict[str, Any]] = []
        made = overrides.pop("deps", None) or deps(*overrides.pop("script", [CITED]), **overrides)
        self.connection = Connection(LiveTurns(made, CollectorRegistry()), self.send)

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


async def begun(**overrides: Any) -> Client:
    """A client whose answer has shown its first sentence and would go on for ever."""
    model = Endless()
    client = await greeted(model=model, **overrides)
    await client.connection.take(json.dumps({"type": "message", "id": "m1", "text": "fever"}))
    await model.waiting.wait()
    return client


async def test_a_stopped_answer_ends_with_done_and_what_was_shown_is_on_record() -> None:
    client = await begun()
    frames = await client.say(type="stop", id="m1")
    assert [f["type"] for f in frames] == ["done"]
    assert frames[0]["stopped"] is True
    assert frames[0]["kind"] == "answer"
    assert [s["label"] for s in frames[0]["sources"]] == ["E1"]
    [(turn, recorded)] = client.connection.deps.store.finished  # type: ignore[attr-defined]
    assert turn.stopped
    assert [s["text"] for s in recorded["sentences"]] == [DRINKS.text["en"]]
    assert client.connection.running == {}
    assert client.connection.deps.model.closed == 1  # type: ignore[attr-defined]


async def test_a_stop_that_cannot_be_recorded_is_an_error() -> None:
    client = await begun(store=FakeStore(broken="finish"))
    frames = await client.say(type="stop", id="m1")
    assert [f.get("code") for f in frames] == ["not_recorded"]


async def test_a_message_that_is_stopped_at_once_has_shown_nothing() -> None:
    client = await greeted(rails=EndlessRails())
    await client.connection.take(json.dumps({"type": "message", "id": "m1", "text": "fever"}))
    frames = await client.say(type="stop", id="m1")
    assert [f["type"] for f in frames] == ["status", "done"]
    assert frames[-1]["stopped"] is True
    assert frames[-1]["kind"] == "unavailable"


async def test_an_emergency_is_told_even_when_it_is_stopped_at_once() -> None:
    client = await greeted(red_flags=FakeRedFlags("emergency"))
    await client.connection.take(json.dumps({"type": "message", "id": "m1", "text": "chest pain"}))
    frames = await client.say(type="stop", id="m1")
    assert [f["type"] for f in frames] == ["disposition", "sentence", "sentence", "done"]
    assert frames[-1]["kind"] == "emergency"
    assert frames[-1]["stopped"] is False


async def test_a_stop_for_another_message_changes_nothing() -> None:
    client = await greeted()
    await client.connection.take(json.dumps({"type": "message", "id": "m1", "text": "fever"}))
    frames = await client.say(type="stop", id="other")
    assert frames[-1]["stopped"] is False


@pytest.mark.parametrize("gone", [ConnectionResetError(), RuntimeError("closed"), ValueError()])
async def test_an_answer_whose_client_has_gone_is_stopped_and_on_record(gone: Exception) -> None:
    client = await begun()

    async def nowhere(_: Any) -> None:
        raise gone

    client.connection.send = nowhere
    await client.connection.close()
    [(turn, _)] = client.connection.deps.store.finished  # type: ignore[attr-defined]
    assert turn.stopped
    assert len(turn.shown) == 1


async def test_a_client_that_goes_in_the_midst_of_an_answer_stops_it() -> None:
    client = await greeted(model=Endless())

    async def until_the_first_sentence(frame: Any) -> None:
        if frame["type"] == "sentence":
            raise ConnectionResetError

    client.connection.send = until_the_first_sentence
    await client.say(type="message", id="m1", text="fever")
    [(turn, _)] = client.connection.deps.store.finished  # type: ignore[attr-defined]
    assert turn.stopped


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


@pytest.mark.parametrize(("value", "read"), [("yes", "yes"), ("it crept up", "it crept up"), ("skip", UNSURE)])
async def test_a_reply_to_an_interview_is_a_message_and_a_skipped_one_leaves_it_open(value: str, read: str) -> None:
    interview = AskingOnce()
    client = await greeted(interview=interview)
    frames = await client.say(type="message", id="m1", text="my head hurts")
    [asked] = [f for f in frames if f["type"] == "question"]
    assert asked["question_id"] == SUDDEN.id
    frames = await client.say(type="reply", id="m2", question_id=SUDDEN.id, value=value)
    assert frames[-1]["kind"] == "answer"
    [_, (turn, _)] = client.connection.deps.store.finished  # type: ignore[attr-defined]
    assert turn.user_text == read
    assert turn.chosen is None


async def test_a_reply_to_a_question_that_was_not_asked_is_a_message() -> None:
    client = await greeted()
    frames = await client.say(type="reply", id="m1", question_id="headache/onset", value="my child has a fever")
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
    assert len(client.connection.deps.store.finished) == 1  # type: ignore[attr-defined]


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
