#!/bin/sh
# The demo: a local Cloudflare, a real small model behind it, and wai in front. Needs no account.
#
#     sh examples/demo.sh [PATH OF wai]        (make demo does the set-up first)
#
# Everything lives in a temporary folder, which is removed in the end; KEEP=1 keeps it.
set -eu

wai=${1:-wai}
case $wai in
    */*) PATH=$(cd "$(dirname "$wai")" && pwd):$PATH ;;
esac
export PATH
# The demo shows what a newcomer has: nothing of the caller's own settings or credentials.
for name in $(env | sed -n 's/^\(\(WAI\|CLOUDFLARE\)_[A-Z_]*\)=.*/\1/p'); do
    unset "$name"
done

folder=$(mktemp -d "${TMPDIR:-/tmp}/wai-demo.XXXXXX")
server=
finish() {
    code=$?
    trap - EXIT INT TERM
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    if [ "$code" -ne 0 ]; then
        echo "The demo failed (exit code $code). What the emulator said:" >&2
        cat "$folder/emulator.log" >&2 2>/dev/null || true
    fi
    if [ -n "${KEEP:-}" ]; then
        echo "Kept: $folder"
    else
        rm -rf "$folder"
    fi
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() {
    echo
    printf '# %s\n' "$@"
}

# Show a command as one would type it, then run it.
try() {
    printf '\n$ %s\n' "$1"
    eval "$1"
}

cd "$folder"
say "The model is SmolLM2-135M, running here in place of the models that are named." \
    "Tokens, timing and prefix cache are real; the judgement is a tiny model's." \
    "Prices are list prices of the named models. Nothing is billed, and nothing" \
    "leaves this machine."

try "wai emulator fetch-model"
try "wai init"

printf '\n$ wai emulator serve --backend smollm2 &\n'
mkfifo ready
wai emulator serve --backend smollm2 --json >ready 2>emulator.log &
server=$!
exec 3<ready
read -r endpoint <&3 # one line of JSON, once it answers
[ -n "$endpoint" ]
try 'eval "$(wai emulator env)"'

try "wai doctor"

say "One tenant's conversation: three turns. Each sends the earlier ones along," \
    "unchanged, so the model finds them in its cache. The line after each answer" \
    "says how much it found."
try 'wai run --tenant acme --workflow support --conversation c1 \
    --model @cf/zai-org/glm-5.3-flash --max-tokens 60 --temperature 0 \
    --system "You are a support agent. Answer in one sentence." \
    "My parcel has not arrived. What should I do?"'
try 'wai run --tenant acme --workflow support --conversation c1 \
    --model @cf/zai-org/glm-5.3-flash --max-tokens 60 --temperature 0 \
    "It was sent ten days ago."'
try 'wai run --tenant acme --workflow support --conversation c1 \
    --model @cf/zai-org/glm-5.3-flash --max-tokens 60 --temperature 0 \
    "Thank you. What happens next?"'

say "Another tenant, another workflow, another model."
try 'wai run --tenant globex --workflow triage --conversation t1 \
    --max-tokens 60 --temperature 0 \
    "Write a title for this ticket: our site is down since nine."'

say "What the next turn would send, and cost at most. Nothing is sent."
try 'wai run --tenant globex --workflow triage --conversation t1 \
    --max-tokens 60 --temperature 0 --dry-run "Is it urgent?"'

say "The sessions that keep a conversation where its cache is."
try "wai affinity list"

say "Every call is in the ledger, with its price and the price's source."
try "wai report cost --by workflow"
try "wai report cost --by model"
try "wai ledger status"

say "Done. With a Cloudflare account the same commands talk to Cloudflare:" \
    "set CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN. Next: docs/tutorial.md"
