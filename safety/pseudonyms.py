"""Stand-ins for what identifies a person: the same for the same value within a session, and reversible with its key."""

import json
import re
from collections.abc import Mapping
from threading import Lock

_TOKEN = re.compile(r"\[[^\[\]\n]{1,40}-\d{1,6}\]")


class Pseudonyms:
    """A session's map between values and stand-ins. It never shows its values when it is printed or logged.

    Safe for concurrent use. `sealed` encrypts it (Fernet: AES-128-CBC with HMAC-SHA256) to be kept with the session.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})  # stand-in -> value as first written
        self._tokens = {self._key(token[1:-1].rsplit("-", 1)[0], value): token for token, value in self._values.items()}
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"Pseudonyms({len(self._values)} values)"

    def __getstate__(self) -> object:
        raise TypeError("pseudonyms are never pickled in the clear; use sealed(key)")

    @staticmethod
    def _key(label: str, value: str) -> tuple[str, str]:
        return label, " ".join(value.casefold().split())

    def token(self, label: str, value: str) -> str:
        """The stand-in for a value, "[NAME-1]"; case and blanks make no difference."""
        with self._lock:
            key = self._key(label, value)
            if key not in self._tokens:
                number = sum(token.startswith(f"[{label}-") for token in self._values) + 1
                self._tokens[key] = f"[{label}-{number}]"
                self._values[self._tokens[key]] = value
            return self._tokens[key]

    def restore(self, text: str) -> str:
        """The text with every stand-in of this session replaced by its value; others are left as they are."""
        return _TOKEN.sub(lambda m: self._values.get(m[0], m[0]), text)

    def sealed(self, key: bytes) -> bytes:
        """The map, encrypted. `key` is what `cryptography.fernet.Fernet.generate_key` gives. Raises ValueError for another."""
        from cryptography.fernet import Fernet

        with self._lock:
            return Fernet(key).encrypt(json.dumps(self._values, ensure_ascii=False).encode())

    @classmethod
    def opened(cls, sealed: bytes, key: bytes) -> "Pseudonyms":
        """The map out of what `sealed` gave. Raises ValueError where the key is another or the bytes were changed."""
        from cryptography.fernet import Fernet, InvalidToken

        try:
            return cls(json.loads(Fernet(key).decrypt(sealed)))
        except InvalidToken as error:
            raise ValueError("the sealed pseudonyms do not open; use the key that they were sealed with") from error
