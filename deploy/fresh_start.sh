#!/bin/sh
# Times what a newcomer waits for: a clean clone, `make run`, until a question is answered over HTTP. Bounded; cleans up after itself.
set -eu
port="${PORT:-8137}"
folder="$(mktemp -d)"
git clone --quiet "$(git rev-parse --show-toplevel)" "$folder/clone"
started=$(date +%s)
(cd "$folder/clone" && PORT="$port" exec setsid make run >"$folder/log" 2>&1) &
make_pid=$!
stop() {
    kill -- "-$(ps -o pgid= -p "$make_pid" | tr -d ' ')" 2>/dev/null || true
    rm -rf "$folder"
}
trap stop EXIT
ask() {
    python3 - "$port" <<'PY'
import json, sys, urllib.request
body = json.dumps({"text": "What foods should I avoid with gout?"}).encode()
request = urllib.request.Request(f"http://127.0.0.1:{sys.argv[1]}/api/v1/chat", body, {"content-type": "application/json"})
sys.exit(json.load(urllib.request.urlopen(request, timeout=60))["kind"] != "answer")
PY
}
until ask 2>/dev/null; do
    kill -0 "$make_pid" 2>/dev/null || { cat "$folder/log" >&2; exit 1; }
    [ $(($(date +%s) - started)) -lt 900 ] || { echo "no answer in 15 minutes" >&2; exit 1; }
    sleep 1
done
echo "a clean clone answered after $(($(date +%s) - started)) s"
