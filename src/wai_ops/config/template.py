"""The files that `wai init` writes. Every setting of the template is also its default."""

WAI_YAML = """\
# Configuration of wai for this folder and everything below it.
# Every key is optional; what is commented out shows the default.
# Check it with `wai config validate`, see what holds with `wai config show`.
# Any value can be set for one command: WAI_ and the path in capitals, for example
# WAI_DEFAULTS_MODEL or WAI_TIMEOUTS_TOTAL_S.
# Tokens do not belong here: set CLOUDFLARE_API_TOKEN, or name a credentials_file.

version: "1"

# Who answers model calls: cloudflare, or local (the emulator; no account, nothing billed).
target: {target}

# The account; CLOUDFLARE_ACCOUNT_ID sets it as well.
# account_id: "0123456789abcdef0123456789abcdef"

# The AI Gateway that routes and logs model calls.
gateway: default

# A file with CLOUDFLARE_API_TOKEN=... lines; its mode must be 0600.
# credentials_file: ~/.config/wai/credentials

# Where runs are recorded, relative to this file.
# state_dir: .wai

# What `wai run` uses where no flag says otherwise.
defaults:
  model: "@cf/google/gemma-4-26b-a4b-it"
  tenant: default
  workflow: adhoc
  max_output_tokens: 1024
  # temperature: 0.7

# When an affinity session goes stale, and what leaves the machine (hashed or plain names).
# affinity:
#   header: hashed
#   idle_ttl_s: 1800
#   max_age_s: 43200

# Four separate limits for a call, in seconds.
# timeouts:
#   connect_s: 10
#   first_token_s: 90
#   between_chunks_s: 30
#   total_s: 600

# Attempts, seconds and dollars: whichever ceiling comes first.
# retry:
#   max_attempts: 3
#   max_elapsed_s: 60
#   max_cost_usd: "0.05"
#   base_delay_s: 0.5
#   max_delay_s: 20

# The emulator's model: scripted (instant), smollm2 (a real small one), or a GGUF file.
# local:
#   backend: scripted

# How wai logs pull reads: its share of the API's rate limit, windows at once, and seconds.
# logs:
#   rate_share: "0.5"
#   parallel: 4
#   hold_back_s: 120
#   settle_s: 1800
#   pending_s: 86400
#   count_hold_back_s: 900
#   poll_s: 60
#   workers_observability: false

# What is masked before anything is stored, beyond credentials: personal data, and the values of
# environment variables whose names do not say that they are secret (name: word in the mask).
# redaction:
#   pii: false
#   variables:
#     LEGACY_LOGIN: legacy-login

# How prompts are released: open (without a production label the working tree is used) or strict
# (only what is frozen). Who may approve a version for a label. Where a review of a change warns
# or fails; without a threshold it does neither.
# prompts:
#   release_control: open
#   allow_work_in_ci: false
#   protected:
#     production: ["ann@example.com"]
#   self_approval: false
#   cache_block_tokens: 16
#   thresholds:
#     warn_monthly_usd: "10"
#     fail_monthly_usd: "500"
#     warn_rewarm_usd: "1"
#     fail_rewarm_usd: "50"
#     warn_prefix_loss_ratio: 0.1
#     fail_prefix_loss_ratio: 0.9
#   lint:
#     levels:
#       WP006: ignore

# When the older turns of a conversation give way to a summary (every_turns: 0 means never), how
# many of the newest stay as they were said, and how large a summary may get. Without a model it is
# the cheapest one whose price and context are known; without a prompt the built-in one.
# checkpoints:
#   every_turns: 8
#   keep_turns: 2
#   max_tokens: 1000
#   model: "@cf/zai-org/glm-4.7-flash"
#   prompt: checkpoint@production

# The share of input that should come from the prefix cache, for wai report cache.
# cache:
#   target_ratio: 0.6
#   workflows:
#     triage: 0.8

# What workflows are to hold, for wai report slo and kpi. Without a target: no verdict.
# slo:
#   window: 30d
#   ttft_p95_ms: 2000
#   duration_p95_ms: 30000
#   completion_ratio: 0.99
#   cost_per_success_usd: "0.05"
#   cost_per_resolved_usd: "0.50"
#   workflows:
#     support:
#       ttft_p95_ms: 1500

# Where tools are declared. Families of tools, by the beginning of a tool's name, the output tokens
# they may ask for, and how much of a result a model is given.
# tools:
#   folder: tools
#   families:
#     mcp__github__: github
#   output_tokens_p95:
#     github: 800
#   result_tokens:
#     github: 4000
#   default_result_tokens: 2000

# Where policies lie; once the folder is there, every run is governed. Which private addresses may
# stand behind a host name, for outbound rules with allow_private.
# policy:
#   folder: policies
#   private_hosts:
#     intranet: ["10.20.0.0/16"]
#   lint:
#     levels:
#       WG006: ignore

# Who signs checkpoints of the decision log (a file of mode 0600, for the operator's commands alone)
# and the public key that they must be signed with: wai audit keygen makes both.
# audit:
#   key_file: ~/.config/wai/audit.key
#   verifier_key: example.com/wai+667d5619+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4

# What may be spent, by whom, in which window, and what holds it. How their objects on the
# gateway are named, and what becomes of calls that no policy is about.
# budgets:
#   acme:
#     scope:
#       tenant: [acme]
#     limit_usd: "50"
#     window: monthly
#     alignment: calendar
#     per: [workflow]
#     warn_at: [0.5, 0.8]
#     action: block
#     enforce: [policy, local]
#     owner: finops
# guards:
#   prefix: wai
#   unmatched: deny
#   model_allowlists: false
#   lint:
#     levels:
#       WB009: ignore

# Who is told, once, when a budget reaches a share of warn_at or its limit: webhooks, whose address
# and signing key stand in the environment variables that are named here, and files.
# alerts:
#   ops:
#     url_variable: OPS_WEBHOOK_URL
#     secret_variable: OPS_WEBHOOK_SECRET
#     budgets: [acme]
#   log:
#     file: alerts.jsonl

# Your own prices, in dollars per million tokens; they beat the price book.
# prices:
#   "@cf/moonshotai/kimi-k2.6":
#     input: "0.95"
#     cached_input: "0.16"
#     output: "4.00"
"""

TRIAGE_PROMPT = """\
You sort support tickets. Answer with one line: the category, a dash, and the reason in at most
twelve words.

Categories: billing, outage, how-to, other.

Ticket:
{{ ticket }}
"""
