"""The tokenizer of the emulator's script as the files that real models are published with.

Written from what the emulator's words are, not with its code: it is what a user would have.
"""

import json
from pathlib import Path

MARKS = ("<|tools|>", "<|system|>", "<|user|>", "<|assistant|>")
_WORDS = " ?[A-Za-z]{1,6}| ?[0-9]{1,3}|[\\s\\S]"
_TEMPLATE = (
    "{% if tools %}<|tools|>{% for tool in tools %}"
    "{% set f = tool.function if tool.type == 'function' else tool %}"
    "{{ [f.name, f.description or '', f.parameters or {}]"
    " | tojson(separators=(',', ':'), ensure_ascii=true) }}"
    "{% endfor %}{% endif %}"
    "{% for message in messages %}{{ '<|' + message.role + '|>' + message.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def write_tokenizer(folder: Path) -> Path:
    """Write `tokenizer.json` and `chat_template.jinja`; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": number,
                "content": mark,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for number, mark in enumerate(MARKS, start=1)
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": _WORDS},
            "behavior": "Isolated",
            "invert": False,
        },
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {"<unk>": 0}, "unk_token": "<unk>"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "chat_template.jinja").write_text(_TEMPLATE)
    return folder
