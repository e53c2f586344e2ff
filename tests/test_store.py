"""The session store when the disk is full: a failure that quotes nobody, and nothing half written."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from assistant.store import SqlStore, first_broken
from assistant.types import StoreFailed, Turn


async def test_a_full_disk_is_told_and_leaves_the_chain_whole(tmp_path: Path) -> None:
    store = SqlStore.sqlite(tmp_path / "d.sqlite3")
    session = await store.open_session(locale="en", role="patient")
    store._engine.dispose()

    @event.listens_for(store._engine, "connect")
    def _full(connection: Any, _: Any) -> None:
        # SQLite answers "database or disk is full" once it may not grow, just as on a disk without room.
        connection.execute("PRAGMA max_page_count=1")

    async def fill() -> None:
        for number in range(400):
            await store.start_turn(Turn(session, f"m{number}", "my secret illness " * 100))

    with pytest.raises(StoreFailed, match="disk full") as raised:
        await fill()
    assert "secret" not in str(raised.value)
    assert first_broken(await store.audit_rows()) is None
    store.close()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "d.sqlite3").mkdir()
    with pytest.raises(StoreFailed, match="data_dir"):
        SqlStore.sqlite(tmp_path / "d.sqlite3")
