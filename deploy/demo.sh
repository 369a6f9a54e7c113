#!/usr/bin/env bash
# The sample company from nothing to a running service. Running it again changes nothing that is already there.
set -euo pipefail
cd "$(dirname "$0")/.."
export RINGFENCE_DATA_DIR="$1" RINGFENCE_SERVICE__PORT="$2"
url="http://127.0.0.1:$2"

python - "$2" <<'PYTHON'
import socket, sys

with socket.socket() as probe:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(("127.0.0.1", int(sys.argv[1])))
    except OSError:
        sys.exit(f"Port {sys.argv[1]} is taken, perhaps by a demo that still runs. Stop it, or: make demo DEMO_PORT=8081")
PYTHON

ringfence policy load policies/templates/meridian.yaml --tenant meridian --reason "sample company" > /dev/null
ringfence ingest evals/sample_company/documents --tenant meridian --source sample-company
key_file="$RINGFENCE_DATA_DIR/demo.key"
if [ ! -s "$key_file" ]; then
  (umask 077 && ringfence keys create --tenant meridian --subject assistant:helpdesk --may-name-people \
    --label "demo assistant" --json | python -c 'import json,sys; print(json.load(sys.stdin)["key"])' > "$key_file.new")
  mv "$key_file.new" "$key_file"
fi

cat >&2 <<TRY

Ringfence will answer on $url as soon as it says so below. In a second terminal, in this folder:

  export PATH="$PWD/.venv/bin:\$PATH" RINGFENCE_DATA_DIR="$RINGFENCE_DATA_DIR"
$(sed 's/^/  /' evals/sample_company/try.txt)

The same through the OpenAI-compatible API, as an assistant that speaks for a person:

  curl -s $url/v1/chat/completions -H "Authorization: Bearer \$(cat $key_file)" -H "X-Ringfence-Person: tomas.okafor" \\
    -H "Content-Type: application/json" -d '{"model": "ringfence", "messages": [{"role": "user", "content": "How long is the notice period?"}]}'

Stop with Ctrl-C. Start again with 'make demo'; remove everything with 'make clean'.

TRY
exec ringfence serve --host 127.0.0.1 --port "$2"
