"""The web's only door to the turn: it counts, and nobody who hangs up leaves a turn that goes on or is not on record."""

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from assistant.live import LiveTurns
from assistant.types import Done, SentenceShown, StoreFailed, Turn
from tests.fakes import FakeModel, FakeStore
from tests.test_turn import CITED, Endless, deps


def live(*script: Any, **parts: Any) -> tuple[LiveTurns, CollectorRegistry]:
    registry = CollectorRegistry()
    return LiveTurns(deps(*script, **parts), registry), registry


def counted(registry: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if line.startswith("doctor_turns_total")]


async def test_the_events_come_in_order_and_the_turn_is_counted_once() -> None:
    made, registry = live(CITED)
    events = [event async for event in made.events(Turn("s", "m", "fever"))]
    assert isinstance(events[-1], Done)
    assert counted(registry) == ['doctor_turns_total{kind="answer",path="model"} 1.0']


async def test_a_listener_that_hangs_up_stops_the_turn_and_it_is_counted_as_stopped() -> None:
    model = Endless()
    made, registry = live(model=model)
    events = made.events(Turn("s", "m", "fever"))
    async for event in events:
        if isinstance(event, SentenceShown):
            break
    await events.aclose()
    await made.close()
    [(turn, _)] = made.deps.store.finished  # type: ignore[attr-defined]
    assert turn.stopped
    assert model.closed == 1
    assert counted(registry) == ['doctor_turns_total{kind="stopped",path="model"} 1.0']


async def test_closing_puts_what_runs_on_record() -> None:
    model = Endless()
    made, _ = live(model=model)

    async def listen() -> list[Any]:
        return [event async for event in made.events(Turn("s", "m", "fever"))]

    listening = asyncio.create_task(listen())
    await model.waiting.wait()
    await made.close()
    assert isinstance((await listening)[-1], Done)
    assert len(made.deps.store.finished) == 1  # type: ignore[attr-defined]


async def test_an_answer_that_could_not_be_recorded_is_told_and_counted() -> None:
    made, registry = live(CITED, store=FakeStore(broken="finish"))
    with pytest.raises(StoreFailed):
        [event async for event in made.events(Turn("s", "m", "fever"))]
    assert counted(registry) == ['doctor_turns_total{kind="not_recorded",path="model"} 1.0']


async def test_turns_that_run_at_once_do_not_hear_each_other() -> None:
    made, _ = live(model=FakeModel([CITED, CITED]))

    async def of(number: int) -> list[Any]:
        return [event async for event in made.events(Turn("s", f"m{number}", "fever"))]

    both = await asyncio.gather(of(1), of(2))
    assert [events[-1].turn.client_id for events in both] == ["m1", "m2"]
