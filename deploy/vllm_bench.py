"""Measures a running OpenAI-compatible server as the product uses it: `python deploy/vllm_bench.py http://127.0.0.1:8001/v1`.

A prompt of about 500 tokens (four passages and a question, no two alike), 128 tokens back, streamed; one caller, then 16 at once.
"""

import json
import statistics
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

TOKENS = 128
PASSAGE = "Offer a child with fever small drinks often, and let the child rest as much as the child likes. " * 5


def ask(url: str, model: str, number: int) -> tuple[float, float, int]:
    """Seconds to the first piece, seconds in all, tokens of the prompt."""
    evidence = "\n".join(f"[E{n}] {number} {PASSAGE}" for n in range(1, 5))
    messages = [
        {"role": "system", "content": evidence},
        {"role": "user", "content": f"{number} What helps a child with fever?"},
    ]
    body = {"model": model, "messages": messages, "temperature": 0, "max_tokens": TOKENS, "ignore_eos": True,
            "stream": True, "stream_options": {"include_usage": True}}  # fmt: skip
    request = urllib.request.Request(f"{url}/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})  # noqa: S310
    started, first, usage = time.perf_counter(), 0.0, {"prompt_tokens": 0}
    with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310
        for line in answer:
            data = line.decode().strip().removeprefix("data: ")
            if not data or data == "[DONE]":
                continue
            chunk: dict[str, Any] = json.loads(data)
            if not first and chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                first = time.perf_counter() - started
            usage = chunk.get("usage") or usage
    return first, time.perf_counter() - started, usage["prompt_tokens"]


def main() -> None:
    url = sys.argv[1].rstrip("/")
    with urllib.request.urlopen(f"{url}/models", timeout=10) as answer:  # noqa: S310
        model = json.load(answer)["data"][0]["id"]
    ask(url, model, -1)  # warm
    for callers in (1, 16):
        started = time.perf_counter()
        with ThreadPoolExecutor(callers) as pool:
            found = list(pool.map(lambda n: ask(url, model, n), range(callers * 2)))
        took = time.perf_counter() - started
        first, prompt = statistics.median(f for f, _, _ in found), found[0][2]
        print(
            f"{callers} at once: {len(found) * TOKENS / took:.0f} tokens/s, first piece {first:.2f} s (prompt {prompt} tokens)"
        )


if __name__ == "__main__":
    main()
