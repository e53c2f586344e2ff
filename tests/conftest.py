"""Shared by all tests: no network but the loopback, quiet libraries, and a small index made once."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.update(
    ANONYMIZED_TELEMETRY="False", DO_NOT_TRACK="1", HF_HUB_OFFLINE="1", LANGSMITH_TRACING="false",
    NEMO_GUARDRAILS_NO_USAGE_STATS="1", TOKENIZERS_PARALLELISM="false",
)  # fmt: skip
for name in ("LLM_URL", "CHROMA_URL", "DATABASE_URL", "DATA_DIR", "COUNTRY"):
    os.environ.pop(name, None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Only the loopback may be reached: a test that calls out fails, whatever library tries it."""
    from pytest_socket import socket_allow_hosts

    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def embedder():  # type: ignore[no-untyped-def]
    from retrieval.embed import Bilingual

    return Bilingual()


@pytest.fixture(scope="session")
def index(tmp_path_factory, embedder):  # type: ignore[no-untyped-def]
    """The real guidelines, indexed once for the whole run."""
    from retrieval.index import IndexPlace, build, open_index
    from retrieval.store import ChromaStore

    place = IndexPlace(tmp_path_factory.mktemp("index"))
    store = ChromaStore.embedded(place.folder / "chroma")
    build(place, store, embedder, lambda batches: batches)
    return open_index(place, store, embedder)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float) -> None:
    """Until `url` answers; fails with the server's own words when it ends or takes too long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise AssertionError(f"the server ended with {process.returncode}: {process.stderr.read().decode()[-2000:]}")  # type: ignore[union-attr]
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    process.terminate()
    raise AssertionError(f"{url} did not answer in {seconds} s")


@pytest.fixture(scope="session")
def live_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real product, started as the README says; gives its base URL."""
    port, data = free_port(), tmp_path_factory.mktemp("live")
    doctor = shutil.which("doctor", path=str(Path(sys.executable).parent)) or "doctor"
    environment = {**os.environ, "DATA_DIR": str(data), "PORT": str(port)}
    process = subprocess.Popen([doctor, "serve"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz", process, 400)  # it builds its index first
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
