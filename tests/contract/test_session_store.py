"""What every SessionStore does: the same class over SQLite and over PostgreSQL."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from assistant.store import SqlStore, first_broken
from assistant.tables import sentences, verdicts
from assistant.types import Answer, Shown, StoreFailed, Turn, UnknownSession
from assistant.wire import recorded
from retrieval.types import Citation
from safety.types import CheckedSentence, Decision, RailVerdict
from tests.conftest import free_port
from tests.fakes import FEVER


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL server of our own, on a free port."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    assert found, "PostgreSQL is missing: apt-get install -y postgresql"
    tools, folder, port = found[-1].parent, tmp_path_factory.mktemp("pg"), free_port()
    as_user = ["runuser", "-u", "postgres", "--"] if Path("/proc/self").owner() == "root" else []
    if as_user:
        for path in (folder, *folder.parents[:3]):
            path.chmod(0o755)
        shutil.chown(folder, "postgres")
    data = str(folder / "data")
    subprocess.run(
        [*as_user, str(tools / "initdb"), "-D", data, "-A", "trust", "-U", "doctor"], check=True, capture_output=True
    )
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    start = [*as_user, str(tools / "pg_ctl"), "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start"]
    subprocess.run(start, check=True, capture_output=True)
    try:
        yield f"postgresql+psycopg://doctor@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run(
            [*as_user, str(tools / "pg_ctl"), "-D", data, "-m", "immediate", "stop"], check=True, capture_output=True
        )


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    made = (
        SqlStore.sqlite(tmp_path / "d.sqlite3")
        if request.param == "sqlite"
        else SqlStore(request.getfixturevalue("postgres_url"))
    )
    yield made
    made.close()


SAID = Shown(
    CheckedSentence("Offer small drinks.", True, (Citation("E1", FEVER.passage.id, ("c",)),)), "guideline", "self_care"
)


async def rows_of(store: SqlStore, turn: Turn) -> list[str]:
    """The sentences on record for a turn."""
    wanted = select(sentences.c.text).where(sentences.c.turn_id == turn.id)
    return await store._write(lambda c: list(c.execute(wanted).scalars()))


async def answered(store: SqlStore, client_id: str = "m1", session: str | None = None, stopped: bool = False) -> Turn:
    session = session or await store.open_session(locale="en", role="patient")
    turn, _ = await store.start_turn(Turn(session, client_id, "My child has a fever"))
    await store.add_sentence(turn, SAID)
    turn.shown.append(SAID)
    turn.evidence.append(FEVER)
    turn.verdicts.append(RailVerdict("red_flags", Decision.ALLOW, timings=(("red_flags", 0.4),)))
    turn.answer, turn.stopped = Answer("answer", (SAID,)), stopped
    await store.finish(turn, recorded(turn))
    return turn


async def test_how_long_each_rail_took_is_on_record(store: SqlStore) -> None:
    turn = await answered(store)
    wanted = select(verdicts.c.timings).where(verdicts.c.turn_id == turn.id)
    kept = await store._write(lambda c: [json.loads(row) for row in c.execute(wanted).scalars()])
    assert kept == [[["red_flags", 0.4]]]


async def test_a_finished_turn_is_history_to_the_next(store: SqlStore) -> None:
    turn = await answered(store)
    later, seen = await store.start_turn(Turn(turn.session_id, "m2", "and at night?"))
    assert seen is None
    assert [e.topic for e in later.history] == ["fever-in-children"]
    assert later.history[0].question == "My child has a fever"


async def test_another_session_has_no_history(store: SqlStore) -> None:
    await answered(store)
    session = await store.open_session(locale="zh", role="patient")
    turn, _ = await store.start_turn(Turn(session, "m1", "hello"))
    assert turn.history == ()


async def test_a_message_that_comes_again_gets_its_recorded_answer(store: SqlStore) -> None:
    turn = await answered(store)
    _, seen = await store.start_turn(Turn(turn.session_id, "m1", "My child has a fever"))
    assert seen is not None
    assert seen["turn_id"] == turn.id
    assert [s["text"] for s in seen["sentences"]] == ["Offer small drinks."]


async def test_a_message_that_was_cut_off_is_asked_again_as_a_turn_of_its_own(store: SqlStore) -> None:
    session = await store.open_session(locale="en", role="patient")
    first, _ = await store.start_turn(Turn(session, "m1", "fever?"))
    await store.add_sentence(first, SAID)
    second, seen = await store.start_turn(Turn(session, "m1", "fever?"))
    assert seen is None
    await store.add_sentence(second, SAID)
    assert await rows_of(store, first) == [SAID.sentence.text]


async def test_a_stopped_turn_says_so_in_the_audit_trail_and_is_asked_again(store: SqlStore) -> None:
    session = await store.open_session(locale="en", role="patient")
    first = await answered(store, "m1", session, stopped=True)
    assert '"stopped": true' in (await store.audit_rows())[-1]["payload"]
    second, seen = await store.start_turn(Turn(session, "m1", "My child has a fever"))
    assert seen is None
    assert second.id != first.id
    await answered(store, "m2", session)
    assert '"stopped": false' in (await store.audit_rows())[-1]["payload"]
    assert await rows_of(store, first) == [SAID.sentence.text]


async def test_a_sentence_that_was_recorded_but_never_shown_is_not_part_of_the_answer(store: SqlStore) -> None:
    session = await store.open_session(locale="en", role="patient")
    turn, _ = await store.start_turn(Turn(session, "m1", "fever?"))
    await store.add_sentence(turn, SAID)  # the turn was stopped before this one reached the screen
    turn.stopped, turn.answer = True, Answer("unavailable", ())
    await store.finish(turn, recorded(turn))
    assert await rows_of(store, turn) == []


async def test_what_a_stopped_caller_wrote_is_written_before_what_comes_next(store: SqlStore) -> None:
    session = await store.open_session(locale="en", role="patient")
    turn, _ = await store.start_turn(Turn(session, "m1", "fever?"))
    writing = asyncio.create_task(store.add_sentence(turn, SAID))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await rows_of(store, turn) == [SAID.sentence.text]


async def test_a_session_can_be_taken_up_again_and_an_unknown_one_cannot(store: SqlStore) -> None:
    session = await store.open_session(locale="en", role="patient")
    assert await store.open_session(locale="zh", role="patient", session_id=session) == session
    with pytest.raises(UnknownSession, match="nope"):
        await store.open_session(locale="en", role="patient", session_id="nope")


async def test_the_audit_chain_is_whole_and_shows_a_change(store: SqlStore) -> None:
    turn = await answered(store)
    await store.add_feedback(turn.id, "up", "clear")
    rows = await store.audit_rows()
    assert [r["event"] for r in rows][-2:] == ["turn", "feedback"]
    assert first_broken(rows) is None
    changed = [dict(r) for r in rows]
    changed[-2]["payload"] = changed[-2]["payload"].replace("answer", "refusal")
    assert first_broken(changed) == changed[-2]["id"]
    assert first_broken([*rows[:-2], rows[-1]]) == rows[-1]["id"]


async def test_the_audit_trail_holds_no_word_of_the_conversation(store: SqlStore) -> None:
    await answered(store)
    rows = await store.audit_rows()
    assert "fever?" not in str(rows)
    assert "My child" not in str(rows)
    assert "small drinks" not in str(rows)


async def test_feedback_on_an_unknown_turn_is_refused(store: SqlStore) -> None:
    with pytest.raises(UnknownSession, match="turn_id"):
        await store.add_feedback("nope", "up", "")


async def test_a_sentence_for_no_turn_is_a_failure_that_quotes_nobody(store: SqlStore) -> None:
    with pytest.raises(StoreFailed) as raised:
        await store.add_sentence(Turn("s", "m", "secret words"), SAID)
    assert "Offer small" not in str(raised.value)


async def test_it_says_that_it_can_be_written_to(store: SqlStore) -> None:
    assert await store.ready()


async def test_turns_that_end_at_once_keep_one_chain(store: SqlStore) -> None:
    await asyncio.gather(*(answered(store, f"m{n}") for n in range(8)))
    assert first_broken(await store.audit_rows()) is None
