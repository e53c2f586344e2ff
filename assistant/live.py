"""The turns that run now, whoever asked: each is counted once, stopped when nobody listens, and on record before the end."""

import asyncio
from collections.abc import AsyncGenerator

from prometheus_client import CollectorRegistry, Counter, Histogram

from assistant.turn import Deps, Emit, run_turn
from assistant.types import StoreFailed, Turn, TurnEvent


class LiveTurns:
    """The web's only door to `run_turn`. What it counts are numbers; nothing of what was said."""

    def __init__(self, deps: Deps, registry: CollectorRegistry) -> None:
        self.deps = deps
        self._running: dict[asyncio.Task[None], Turn] = {}
        self._kinds = Counter("doctor_turns", "Turns by what they came to", ["kind", "path"], registry=registry)
        self._seconds = Histogram("doctor_turn_seconds", "Seconds a turn took", registry=registry)

    async def run(self, turn: Turn, emit: Emit) -> None:
        """As `run_turn`, and counts the turn. Raises StoreFailed."""
        try:
            await run_turn(turn, self.deps, emit)
        except StoreFailed:
            self._count(turn, "not_recorded")
            raise
        assert turn.answer is not None
        self._count(turn, "stopped" if turn.stopped else turn.answer.kind)

    async def events(self, turn: Turn) -> AsyncGenerator[TurnEvent]:
        """The events of `turn` as they come. Raises StoreFailed. Closing the generator stops the turn; it ends by itself."""
        heard: asyncio.Queue[TurnEvent | None] = asyncio.Queue()
        task = asyncio.create_task(self.run(turn, heard.put))
        self._running[task] = turn

        def ended(_: asyncio.Task[None]) -> None:
            self._running.pop(task)
            task.exception()  # looked at here too, for when nobody listens any more
            heard.put_nowait(None)

        task.add_done_callback(ended)
        try:
            while (event := await heard.get()) is not None:
                yield event
            task.result()
        finally:
            turn.stop()

    async def close(self) -> None:
        """Stops what runs and waits until it is on record."""
        for turn in self._running.values():
            turn.stop()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _count(self, turn: Turn, kind: str) -> None:
        self._kinds.labels(kind, turn.path).inc()
        self._seconds.observe(turn.took_ms / 1e3)
