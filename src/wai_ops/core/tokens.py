"""Token counts before anybody has counted: estimates, always labelled as such."""

BYTES_PER_TOKEN = 4
"""English text runs at about four bytes a token; other scripts at fewer. An estimate only."""
TOKENS_PER_MESSAGE = 4
"""What a chat template adds around one message, roughly."""


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text from its UTF-8 length, rounded up."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)
