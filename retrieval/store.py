"""The vector store: Chroma in the process, or the same class over a Chroma server."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from retrieval.embed import Vectors
from retrieval.types import StoreUnreachable

T = TypeVar("T")
BATCH = 5_000  # Chroma refuses more than 5,461 at a time


class VectorStore(Protocol):
    """Vectors under ids, one collection a corpus and language."""

    def upsert(self, collection: str, ids: Sequence[str], vectors: Vectors) -> None:
        """Adds or replaces vectors (unit length, shape (len(ids), dimensions))."""
        ...

    def query(self, collection: str, vector: Sequence[float], k: int) -> list[tuple[str, float]]:
        """The k nearest ids with their cosine (-1..1), nearest first; [] when the collection is empty or missing."""
        ...

    def count(self, collection: str) -> int:
        """Vectors in the collection; 0 when it is missing."""
        ...

    def remove(self, collection: str, ids: Sequence[str]) -> None:
        """Takes vectors out; an id or a collection that is not there is no fault."""
        ...

    def drop(self, collection: str) -> None:
        """Removes the collection; nothing happens when it is missing."""
        ...


class ChromaStore:
    """Raises StoreUnreachable when Chroma does not answer."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    def embedded(cls, folder: Path) -> "ChromaStore":
        import chromadb

        folder.mkdir(parents=True, exist_ok=True)
        settings = chromadb.Settings(anonymized_telemetry=False)
        return cls(_asked(lambda: chromadb.PersistentClient(path=str(folder), settings=settings)))

    @classmethod
    def server(cls, url: str) -> "ChromaStore":
        import chromadb

        at = urlsplit(url)
        host, ssl = at.hostname or "localhost", at.scheme == "https"
        settings = chromadb.Settings(anonymized_telemetry=False)
        port = at.port or (443 if ssl else 8000)
        return cls(_asked(lambda: chromadb.HttpClient(host=host, port=port, ssl=ssl, settings=settings)))

    def upsert(self, collection: str, ids: Sequence[str], vectors: Vectors) -> None:
        def write() -> None:
            # The default search width finds 91% of the true neighbours at 50,000 vectors; 400 finds them all at 20,000.
            target = self._client.get_or_create_collection(
                collection,
                configuration={"hnsw": {"space": "cosine", "ef_search": 400, "ef_construction": 200}},
                embedding_function=None,
            )
            for start in range(0, len(ids), BATCH):
                target.upsert(ids=list(ids[start : start + BATCH]), embeddings=vectors[start : start + BATCH])

        _asked(write)

    def query(self, collection: str, vector: Sequence[float], k: int) -> list[tuple[str, float]]:
        def read() -> list[tuple[str, float]]:
            found = self._found(collection)
            size = found.count() if found else 0
            if not size:
                return []
            got = found.query(query_embeddings=[list(vector)], n_results=min(k, size), include=["distances"])
            return [(i, 1.0 - float(d)) for i, d in zip(got["ids"][0], got["distances"][0], strict=True)]

        return _asked(read)

    def count(self, collection: str) -> int:
        def read() -> int:
            found = self._found(collection)
            return int(found.count()) if found else 0

        return _asked(read)

    def remove(self, collection: str, ids: Sequence[str]) -> None:
        def write() -> None:
            target = self._found(collection)
            for start in range(0, len(ids) if target else 0, BATCH):
                target.delete(ids=list(ids[start : start + BATCH]))

        _asked(write)

    def drop(self, collection: str) -> None:
        from chromadb.errors import NotFoundError

        def write() -> None:
            with suppress(NotFoundError):
                self._client.delete_collection(collection)

        _asked(write)

    def _found(self, collection: str) -> Any:
        from chromadb.errors import NotFoundError

        try:
            return self._client.get_collection(collection, embedding_function=None)
        except NotFoundError:
            return None


def _asked(call: Callable[[], T]) -> T:
    try:
        return call()
    except Exception as error:  # Chroma's client raises httpx, ValueError and its own kinds alike
        raise StoreUnreachable(f"Chroma did not answer ({error!r}): is CHROMA_URL right and the server up?") from error
