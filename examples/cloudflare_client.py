"""Cloudflare's own package against Workers AI and AI Gateway: models, a run, the log rows.

Start `wai emulator serve`, then, in another shell:

    eval "$(wai emulator env)"
    python examples/cloudflare_client.py

It takes two tokens: one runs models, the other (`WAI_OPERATOR_TOKEN`) reads the gateway.
"""

import json
import os

from cloudflare import Cloudflare

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
ACCOUNT = os.environ["CLOUDFLARE_ACCOUNT_ID"]
GATEWAY = os.environ.get("WAI_GATEWAY", "default")

# The package reads CLOUDFLARE_BASE_URL and CLOUDFLARE_API_TOKEN by itself.
client = Cloudflare()
operator = Cloudflare(api_token=os.environ["WAI_OPERATOR_TOKEN"])

models = client.ai.models.list(account_id=ACCOUNT, search="llama-3.3")
print("models:", ", ".join(model["name"] for model in models if isinstance(model, dict)))

answer = client.ai.run(
    MODEL,
    account_id=ACCOUNT,
    prompt="Why is the sky blue?",
    extra_headers={
        "cf-aig-gateway-id": GATEWAY,
        "cf-aig-metadata": json.dumps({"tenant": "acme", "workflow": "example"}),
    },
)
print("run:", answer["response"] if isinstance(answer, dict) else answer)

rows = operator.ai_gateway.logs.list(
    GATEWAY, account_id=ACCOUNT, order_by="created_at", order_by_direction="desc", per_page=5
)
for row in rows.result:
    print("log:", row.model, row.status_code, row.tokens_in, row.tokens_out, row.cost, row.metadata)
