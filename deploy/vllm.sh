#!/bin/sh
# Serves the small model with vLLM on the CPU, for this machine only: `sh deploy/vllm.sh [PORT]`, after `make vllm`.
set -eu
cd "$(dirname "$0")/.."
export DO_NOT_TRACK=1 HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1
export VLLM_CPU_KVCACHE_SPACE="${VLLM_CPU_KVCACHE_SPACE:-1}" # GiB; enough for eleven prompts of 4,096 tokens at once
# The module, not the command `vllm`: that one looks for a package of the same name, and ours is called vllm-cpu.
exec .venv-vllm/bin/python -m vllm.entrypoints.openai.api_server --host 127.0.0.1 --port "${1:-8001}" \
    --model "${VLLM_MODEL:-var/vllm/SmolLM2-135M-Instruct}" --served-model-name "${LLM_MODEL:-virtual-doctor}" --max-model-len 4096
