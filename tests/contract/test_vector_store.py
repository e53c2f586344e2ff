"""What every VectorStore does: Chroma in the process and Chroma as a server."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from retrieval.store import ChromaStore, VectorStore
from retrieval.types import StoreUnreachable
from tests.conftest import free_port, wait_for


@pytest.fixture(scope="module")
def chroma_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Chroma server."""
    port, folder = free_port(), tmp_path_factory.mktemp("chroma")
    chroma = shutil.which("chroma", path=str(Path(sys.executable).parent)) or "chroma"
    command = [chroma, "run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_for(f"http://127.0.0.1:{port}/api/v2/heartbeat", process, 60)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(params=["embedded", "server"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> VectorStore:
    if request.param == "embedded":
        return ChromaStore.embedded(tmp_path)
    made = ChromaStore.server(request.getfixturevalue("chroma_url"))
    made.drop("things")
    return made


def unit(*rows: tuple[float, ...]) -> np.ndarray:
    array = np.asarray(rows, dtype=np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def test_the_nearest_comes_first_with_its_cosine(store: VectorStore) -> None:
    store.upsert("things", ["a", "b"], unit((1, 0, 0), (1, 1, 0)))
    found = store.query("things", [1.0, 0.0, 0.0], 2)
    assert [i for i, _ in found] == ["a", "b"]
    assert found[0][1] == pytest.approx(1.0, abs=1e-5)
    assert found[1][1] == pytest.approx(0.7071, abs=1e-3)


def test_an_id_that_comes_again_is_replaced(store: VectorStore) -> None:
    store.upsert("things", ["a"], unit((1, 0, 0)))
    store.upsert("things", ["a"], unit((0, 1, 0)))
    assert store.count("things") == 1
    assert store.query("things", [0.0, 1.0, 0.0], 1)[0][1] == pytest.approx(1.0, abs=1e-5)


def test_a_missing_collection_is_empty(store: VectorStore) -> None:
    assert store.count("nothing-here") == 0
    assert store.query("nothing-here", [1.0, 0.0, 0.0], 3) == []
    store.drop("nothing-here")


def test_a_dropped_collection_is_gone(store: VectorStore) -> None:
    store.upsert("things", ["a"], unit((1, 0, 0)))
    store.drop("things")
    assert store.count("things") == 0


def test_asking_for_more_than_there_are_gives_all(store: VectorStore) -> None:
    store.upsert("things", ["a"], unit((1, 0, 0)))
    assert len(store.query("things", [1.0, 0.0, 0.0], 50)) == 1


def test_more_than_one_batch_can_be_added(store: VectorStore) -> None:
    vectors = unit(*[(1.0, n / 6000, 0.0) for n in range(6000)])
    store.upsert("things", [f"i{n}" for n in range(6000)], vectors)
    assert store.count("things") == 6000


def test_a_server_that_is_down_is_told_with_the_remedy() -> None:
    with pytest.raises(StoreUnreachable, match="CHROMA_URL"):
        ChromaStore.server(f"http://127.0.0.1:{free_port()}")
