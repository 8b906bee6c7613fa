"""The OpenAI package against Workers AI: a chat, a stream and embeddings.

pip install openai, start `wai emulator serve`, then, in another shell:

    eval "$(wai emulator env)"
    python examples/openai_client.py

Without `wai emulator env`, and with an account and a token of your own in the same variables, it
talks to Cloudflare.
"""

import json
import os

from openai import OpenAI

MODEL = "@cf/moonshotai/kimi-k2.6"
EMBEDDING_MODEL = "@cf/baai/bge-m3"

base_url = os.environ.get("CLOUDFLARE_BASE_URL", "https://api.cloudflare.com/client/v4")
client = OpenAI(
    base_url=f"{base_url}/accounts/{os.environ['CLOUDFLARE_ACCOUNT_ID']}/ai/v1",
    api_key=os.environ["CLOUDFLARE_API_TOKEN"],
    default_headers={
        "cf-aig-gateway-id": os.environ.get("WAI_GATEWAY", "default"),
        "cf-aig-metadata": json.dumps({"tenant": "acme", "workflow": "example"}),
        "x-session-affinity": "example-session",
    },
)

answer = client.chat.completions.create(
    model=MODEL, messages=[{"role": "user", "content": "Why is the sky blue?"}]
)
print("chat:", answer.choices[0].message.content)
print("usage:", answer.usage and answer.usage.total_tokens, "tokens")

stream = client.chat.completions.create(
    model=MODEL,
    messages=[{"role": "user", "content": "Write 12 words"}],
    stream=True,
    stream_options={"include_usage": True},
)
print("stream:", end=" ")
for chunk in stream:
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
print()

vectors = client.embeddings.create(model=EMBEDDING_MODEL, input=["sky", "sea"])
print("embeddings:", len(vectors.data), "vectors of", len(vectors.data[0].embedding))
