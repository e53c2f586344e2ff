"""Turns a GGUF model into a folder that vLLM serves: `.venv-vllm/bin/python -m finetune.export`.

Runs in vLLM's own environment (`make vllm`), whose transformers is the one that will read the folder again.
"""

import argparse
import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from assistant.models import packaged_weights

OUT = Path("var/vllm/SmolLM2-135M-Instruct")


def export(weights: Path, out: Path) -> Path:
    """Writes bf16 safetensors, configuration, tokenizer and chat template of `weights` (GGUF) to `out`, whole or not at all."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    packed: Any = {"gguf_file": weights.name, "local_files_only": True}
    # Without dequantizing, transformers keeps the weights packed and refuses to save them.
    model = AutoModelForCausalLM.from_pretrained(
        weights.parent, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True), **packed
    )
    tokenizer = AutoTokenizer.from_pretrained(weights.parent, **packed)
    if not tokenizer.chat_template:
        raise SystemExit(f"{str(weights)!r} carries no chat template: export a model that was tuned on chats")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(mkdtemp(dir=out.parent))
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    shutil.rmtree(out, ignore_errors=True)
    return partial.rename(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gguf", type=Path, help="a GGUF file; the packaged SmolLM2-135M-Instruct when left out")
    parser.add_argument("--out", type=Path, default=OUT, help=f"folder to write; default {OUT}")
    options = parser.parse_args()
    print(export(options.gguf or packaged_weights(), options.out))


if __name__ == "__main__":
    main()
