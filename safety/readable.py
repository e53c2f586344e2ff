"""Hidden writing, read as a person would read it: leet, spelled-out words, base64, rot13, look-alike letters."""

import base64
import binascii
import codecs
import re
import unicodedata

from retrieval.text import is_chinese
from retrieval.types import Locale

READ = 4_000  # characters that are judged: the longest message the turn accepts
COMMON = 3.5  # zipf: a word that one in 300,000 words is

_LOOKALIKES = str.maketrans(  # Cyrillic, then Greek
    "аеорсухіјѕԁһкмтвгαορνικτευη",
    "aeopcyxijsdhkmtbraopviktevn",
)
_LEET = str.maketrans("013457@$!", "oieastasi")
_HAN = "[\u3400-\u9fff]"
_HAN_GAP = re.compile(rf"(?<={_HAN})[\s\-_.*·|/~]+(?={_HAN}(?:[\s\-_.*·|/~]|$))")
_SPELLED = re.compile(r"(?<![a-z0-9])(?:[a-z@$!][ .\-_*]){3,}[a-z@$!](?![a-z0-9])")
_BLOB = re.compile(
    r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{16,}={0,2}(?![A-Za-z0-9+/=])|(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}){8,}(?![0-9a-fA-F])"
)


def readable(text: str) -> str:
    """The text as a person would read it: folded forms, look-alike letters, blobs decoded, spelling tricks undone."""
    plain = _HAN_GAP.sub("", _folded(_BLOB.sub(lambda blob: _decoded(blob[0]), text[: 2 * READ])))[:READ]
    best = _unleet(_SPELLED.sub(lambda word: re.sub(r"[ .\-_*]", "", word[0]), plain))
    for other in (codecs.encode(best, "rot13"), best[::-1]):
        if _known(other) >= 2 and _known(other) > 2 * _known(best):
            best = other
    return re.sub(r"\s+", " ", best).strip()


def _folded(text: str) -> str:
    out = []
    for char in unicodedata.normalize("NFKC", text).lower():
        kind = unicodedata.category(char)
        if kind in ("Cf", "Mn", "Cs", "Co") or (kind == "Cc" and char not in "\n\t"):
            continue
        out.append(" " if kind == "So" else char)
    folded = "".join(out).replace("’", "'")
    return re.sub(r"[^\W\d_]+", lambda word: _latin(word[0]), folded)


def _latin(word: str) -> str:
    """Look-alike letters of other alphabets, where all of a word's letters then are Latin."""
    latin = word.translate(_LOOKALIKES)
    return latin if latin.isascii() else word


def _decoded(blob: str) -> str:
    for decode in (base64.b64decode, binascii.unhexlify):
        try:
            text = decode(blob + "=" * (-len(blob) % 4) if decode is base64.b64decode else blob).decode("utf-8")
        except ValueError:
            continue
        if text.isprintable():
            return text
    return blob


def _unleet(text: str) -> str:
    """Digits and signs as the letters they stand for, where that makes a common word: b12 and h1n1 stay."""
    return re.sub(r"[a-z0-9@$!]*[a-z][a-z0-9@$!]*", lambda word: _letters(word[0]), text)


def _letters(word: str) -> str:
    if word.isalpha():
        return word
    end = len(word.rstrip("!"))
    letters = word[:end].translate(_LEET) + word[end:]
    return letters if _known(letters[:end]) and end > 2 else word


def _known(text: str) -> int:
    """How many words of three letters or more are common English."""
    from wordfreq import zipf_frequency

    return sum(zipf_frequency(word, "en") >= COMMON for word in re.findall(r"(?<![a-z0-9])[a-z]{3,}(?![a-z0-9])", text)[:200])


def parts(text: str, locale: Locale) -> list[tuple[Locale, str]]:
    """The text with its language; where both carry words, the English ones once more by themselves."""
    if not re.search(_HAN, text):
        return [("en", text) if re.search("[a-z]", text) else (locale, text)]
    english: tuple[Locale, str] = ("en", " ".join(re.findall(r"[a-z0-9' ,.]+", text)))
    if is_chinese(text):
        return [("zh", text), *([english] if len(re.findall("[a-z]{2,}", english[1])) >= 4 else [])]
    return [english, ("zh", "".join(re.findall(f"{_HAN}|[，。？！]", text)))]
