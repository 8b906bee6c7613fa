"""`wai prompts import`: what comes of each construct, and what is said instead of dropped."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from support.cli import Wai
from wai_ops.core.findings import Level
from wai_ops.prompts.dotprompt.convert import convert
from wai_ops.prompts.dotprompt.importing import import_prompts
from wai_ops.prompts.dotprompt.picoschema import to_json_schema
from wai_ops.prompts.dotprompt.said import RULES, Said
from wai_ops.prompts.rendering import render_messages
from wai_ops.prompts.source import load_source

INPUT = """---
input:
  schema:
    name: string
    nick?: string
    flag: boolean
    xs(array): string
    rows(array):
      a: string
      first-name: string
      items: string
    box:
      p: string
---
"""


def body_of(template: str, front: str = INPUT, partials: dict[str, str] | None = None) -> str:
    """The template that comes of one, without front matter and the first role line."""
    said = Said("case.prompt")

    def partial(name: str) -> tuple[str, str, str] | None:
        text = (partials or {}).get(name)
        return None if text is None else (f"_{name}.prompt", f"{name}.part", text)

    made = convert(front + template, "case", said, model=None, partial=partial)
    assert made is not None, said.findings
    head, _, rest = made.text.removeprefix("---\n").partition("---\n")
    assert yaml.safe_load(head) is not None
    return rest.removeprefix("{% role user %}\n").removesuffix("\n")


def said_of(template: str, front: str = INPUT) -> list[tuple[str, int, str]]:
    """Rule, line and message of everything that is said."""
    said = Said("case.prompt")
    convert(front + template, "case", said, model=None, partial=lambda _: None)
    return [(item.rule, item.line, item.message) for item in said.findings]


@pytest.mark.parametrize(
    ("handlebars", "jinja"),
    [
        ("Hi {{name}}!", "Hi {{ name }}!"),
        ("Hi {{{name}}} {{&name}}", "Hi {{ name }} {{ name }}"),
        ("Hi {{nick}}", "Hi {{ nick if nick is not none else '' }}"),
        ("{{flag}}", "{{ 'true' if flag else 'false' }}"),
        ("{{xs}}", "{{ xs | join(',') }}"),
        ("{{box.p}}", "{{ box.p }}"),
        ("{{#if nick}}a{{else}}b{{/if}}", "{% if nick %}a{% else %}b{% endif %}"),
        (
            "{{#if flag}}a{{else if nick}}b{{^}}c{{/if}}",
            "{% if flag %}a{% elif nick %}b{% else %}c{% endif %}",
        ),
        ("{{#unless flag}}a{{/unless}}", "{% if not (flag) %}a{% endif %}"),
        (
            "{{#each xs}}{{@index}}{{this}},{{/each}}",
            "{% for item in xs %}{{ loop.index0 }}{{ item }},{% endfor %}",
        ),
        (
            "{{#each xs}}{{this}}{{else}}none{{/each}}",
            "{% for item in xs %}{{ item }}{% else %}none{% endfor %}",
        ),
        (
            "{{#each rows as |row i|}}{{i}} {{row.a}} {{a}}{{/each}}",
            "{% for item in rows %}{{ loop.index0 }} {{ item.a }} {{ item.a }}{% endfor %}",
        ),
        (
            "{{#each rows}}{{[first-name]}} {{items}} {{../name}} {{@root.name}}{{/each}}",
            (
                "{% for item in rows %}{{ item['first-name'] }} {{ item['items'] }} {{ name }} "
                "{{ name }}{% endfor %}"
            ),
        ),
        ("{{#with box}}{{p}}{{/with}}", "{% if box is not none %}{{ box.p }}{% endif %}"),
        (
            "{{#each rows}}{{#each ../xs}}{{this}}{{/each}}{{/each}}",
            "{% for item in rows %}{% for item_2 in xs %}{{ item_2 }}{% endfor %}{% endfor %}",
        ),
        (
            "{{#ifEquals name 'x'}}a{{else}}b{{/ifEquals}}",
            "{% if name == 'x' %}a{% else %}b{% endif %}",
        ),
        (
            '{{#unlessEquals name "it\'s"}}a{{/unlessEquals}}',
            "{% if not (name == 'it\\'s') %}a{% endif %}",
        ),
        (
            "{{#xs}}{{this}}{{/xs}}{{#flag}}y{{/flag}}{{^flag}}n{{/flag}}",
            (
                "{% for item in xs %}{{ item }}{% endfor %}{% if flag %}y{% endif %}"
                "{% if not (flag) %}n{% endif %}"
            ),
        ),
        ("{{json box}} {{json box indent=2}}", "{{ box | tojson }} {{ box | tojson(indent=2) }}"),
        ("{{lookup box 'p'}}", "{{ box['p'] }}"),
        ("a {{! remark }} b {{!-- }} --}} c", "a {# remark #} b {# }} #} c"),
        ("a {{~name~}} b", "a {{- name -}} b"),
        ("\\{{name}} {% x %} {# y #}", "{{ '{' }}{name}} {{ '{' }}% x %} {{ '{' }}# y #}"),
        ("a\n{{#if flag}}\nb\n{{/if}}\nc", "a\n{% if flag -%}\nb\n{% endif -%}\nc"),
        ("a\n{{#if flag}}\n  b\n{{/if}}\n\nc", "a\n{% if flag\n%}  b\n{% endif\n%}\nc"),
    ],
)
def test_a_construct_is_written_as_jinja(handlebars: str, jinja: str) -> None:
    """To the character: people will read and keep what comes of it."""
    assert body_of(handlebars) == jinja


@pytest.mark.parametrize(
    ("template", "line", "message"),
    [
        ("a\n{{media url=name}}", 16, "{{media}} has no counterpart in a prompt here"),
        ("{{section 'x'}}", 15, "{{section}} has no counterpart in a prompt here"),
        ("{{> missing}}", 15, "the partial `missing` is not there"),
        ("{{upper name}}", 15, "there is no helper `upper` here"),
        ("{{#list xs}}{{/list}}", 15, "there is no helper `list` here"),
        (
            "{{#if (eq name 1)}}{{/if}}",
            15,
            "a nested call (…) cannot be imported: {{if (eq name 1)}}",
        ),
        ("{{{{raw}}}}{{{{/raw}}}}", 15, "raw blocks {{{{…}}}} cannot be imported"),
        ("{{#>layout}}{{/layout}}", 15, "{{#>layout}} cannot be imported"),
        ("{{#if flag}}", 15, "{{#if}} is never closed"),
        ("{{#if flag}}{{/each}}", 15, "{{/each}} closes {{#if}} of line 15"),
        ("{{/if}}", 15, "{{/if}} closes nothing"),
        ("{{else}}", 15, "{{else}} stands in no block"),
        ("a {{name", 15, "a tag is never closed"),
        ("{{! a", 15, "a comment is never closed"),
        ("{{this}}", 15, "`this` is the whole input here: name a variable"),
        ("{{box}}", 15, "`box` is an object, and would be printed as [object Object]"),
        ("{{../name}}", 15, "`../name` leads out of the input"),
        ("{{@index}}", 15, "`@index` means nothing here"),
        ("{{#each xs}}{{@../index}}{{/each}}", 15, "`@../index` means nothing here"),
        (
            "{{#if flag}}{{role 'user'}}{{/if}}",
            15,
            "{{role}} stands inside a block: roles are fixed here",
        ),
        ("{{role 'tool'}}a", 15, "a role is one of system, user, model, assistant, written out"),
        (
            "{{#name}}a{{/name}}",
            15,
            (
                "what {{#name}} does depends on a type that the schema does not say: "
                "use #if, #each or #with"
            ),
        ),
        (
            "{{history}}{{role 'user'}}a{{role 'model'}}b{{role 'user'}}c",
            15,
            (
                "{{history}} can stand right before the last user message only: that is where "
                "earlier turns of a conversation go"
            ),
        ),
        ("{{! nothing }}", 15, "the template is empty"),
    ],
)
def test_what_cannot_be_said_here_is_refused_with_its_line(
    template: str, line: int, message: str
) -> None:
    """A prompt without it would be another prompt."""
    assert ("WI001", line, message) in said_of(template)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    """Not one error a run."""
    said = said_of("{{media url=name}}\n{{#each xs}}\n{{upper this}}\n{{/each}}\n{{> x}}")
    assert [line for rule, line, _ in said if rule == "WI001"] == [15, 17, 19]


def test_a_comment_opens_no_role() -> None:
    """A role line counts wherever it stands."""
    text = body_of("a {{!--\n{% role system %}\n#} --}} b")
    assert text == "a {# { % role system %}\n# } #} b"


def test_roles_become_role_lines_and_blank_messages_go() -> None:
    """`model` is called assistant here; what is before the first role is the user's."""
    text = body_of("{{role 'system'}}Be {{name}}.\n{{role \"model\"}}Yes.\n\n{{role 'user'}}\nHi\n")
    assert text == (
        "{% role system %}\nBe {{ name }}.\n\n{% role assistant %}\nYes.\n\n{% role user %}\n\nHi"
    )
    assert body_of("Before.\n{{role 'system'}}After.") == "Before.\n\n{% role system %}\nAfter."


@pytest.mark.parametrize(
    "template",
    [
        "{{role 'system'}}A\n{{history}}\n{{role 'user'}}B",
        "{{role 'system'}}A\n{{role 'user'}}B\n{{history}}\n",
    ],
)
def test_history_where_it_belongs_needs_no_mark(template: str) -> None:
    """Earlier turns are put before the last user message anyway."""
    assert body_of(template) == "{% role system %}\nA\n\n{% role user %}\nB"


def test_a_partial_becomes_a_part() -> None:
    """With its own line's end, once."""
    partials = {"head": "Always be {{name}}.\n", "bare": "no end"}
    text = body_of("{{> head}}\nx {{> bare}} y {{> head}} z\n", partials=partials)
    assert text == (
        '{% include "head.part" %}\nx {% include "bare.part" %} y {% include "head.part" %}\n z'
    )


def test_a_partial_that_needs_another_context_is_refused() -> None:
    """A part sees the variables, and never the element of a loop."""
    said = Said("case.prompt")
    texts = {"row": "{{a}}", "plain": "-"}
    convert(
        INPUT + "{{#each rows}}{{> plain}}{{> row}}{{/each}}{{> row x=1}}{{> row box}}",
        "case",
        said,
        model=None,
        partial=lambda name: (name, f"{name}.part", texts[name]),
    )
    assert [item.message for item in said.findings if item.rule == "WI001"] == [
        "the partial `row` uses names that mean something else inside a block",
        "the partial `row` is given values: a part sees all variables",
    ]


def front_of(yaml_text: str, template: str = "Hi") -> dict[str, object]:
    """The front matter that comes of one."""
    said = Said("case.prompt")
    made = convert(
        f"---\n{yaml_text}---\n{template}", "case", said, model=None, partial=lambda _: None
    )
    assert made is not None, said.findings
    found = yaml.safe_load(made.text.split("---\n")[1])
    assert isinstance(found, dict)
    return found


def test_the_front_matter_is_mapped() -> None:
    """Parameters, variables with types and defaults, tools, schema."""
    front = front_of(
        "model: '@cf/google/gemma-4-26b-a4b-it'\n"
        "description: Greets.\n"
        "config:\n  temperature: 0.5\n  topP: 0.9\n  topK: 40\n  maxOutputTokens: 100\n"
        "  stopSequences: [END]\n  seed: 7\n"
        "input:\n  schema:\n    who: string, whom to greet\n    n?: integer\n    all?(array): any\n"
        "    kind: string\n  default:\n    kind: warm\n"
        "output:\n  format: json\n  schema:\n    hello: string\n"
        "toolDefs:\n  - name: look\n    description: Looks.\n    inputSchema:\n      q: string\n",
        "{{who}}{{n}}{{#each all}}{{this}}{{/each}}{{kind}}",
    )
    assert front == {
        "model": "@cf/google/gemma-4-26b-a4b-it",
        "description": "Greets.",
        "parameters": {
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 40,
            "max_output_tokens": 100,
            "stop": ["END"],
            "seed": 7,
        },
        "variables": {
            "who": {"type": "string", "description": "whom to greet"},
            "n": {"type": "integer", "required": False},
            "all": {"type": "list", "required": False},
            "kind": {"type": "string", "required": False, "default": "warm"},
        },
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "look",
                    "description": "Looks.",
                    "parameters": {
                        "type": "object",
                        "properties": {"q": {"type": "string"}},
                        "required": ["q"],
                        "additionalProperties": False,
                    },
                },
            }
        ],
        "output_schema": {
            "type": "object",
            "properties": {"hello": {"type": "string"}},
            "required": ["hello"],
            "additionalProperties": False,
        },
    }


def test_without_a_schema_variables_come_from_their_use() -> None:
    """And that is said."""
    front = front_of("model: '@cf/a/b'\n", "{{a}}{{#if b}}{{b}}{{/if}}{{#each c}}x{{/each}}{{d.e}}")
    assert front["variables"] == {
        "a": {"type": "string"},
        "b": {"type": "string", "required": False},
        "c": {"type": "list"},
        "d": {"type": "object"},
    }
    said = said_of("{{a}}", "")
    assert ("WI003", 1, "no input.schema: types of variables come from their use") in said


@pytest.mark.parametrize(
    ("yaml_text", "line", "message"),
    [
        (
            "model: googleai/gemini\n",
            2,
            "the model googleai/gemini is none of Workers AI: the project's default holds",
        ),
        ("name: x\nvariant: formal\n", 3, "`variant` has no place in a front matter here"),
        ("config:\n  apiVersion: v1\n", 3, "config.apiVersion has no counterpart here"),
        (
            "tools: [search]\n",
            2,
            "the tool search is only named: a prompt here holds its definition",
        ),
        (
            "output:\n  format: json\n",
            3,
            "output.format: json without a schema holds the model to nothing here",
        ),
        ("output:\n  format: yaml\n", 3, "output.format: yaml has no place here"),
        ("metadata: {a: 1}\n", 2, "`metadata` has no place in a front matter here"),
        ("input:\n  default: {zz: 1}\n", 1, "input.default.zz: no such variable is used"),
        (
            "input:\n  schema:\n    k(enum): [a, b]\n",
            1,
            "`k`: that it is one of a, b is not checked",
        ),
    ],
)
def test_what_is_left_out_is_said_with_its_line(yaml_text: str, line: int, message: str) -> None:
    """Nothing is dropped silently."""
    assert ("WI002", line, message) in said_of("Hi", f"---\n{yaml_text}---\n")


@pytest.mark.parametrize(
    "yaml_text",
    [
        "a: [\n",
        "config: 3\n",
        "input:\n  schema:\n    a: strnig\n",
        "toolDefs: [3]\n",
        "config:\n  temperature: hot\n",
        "input:\n  schema:\n    a(set): string\n",
    ],
)
def test_a_front_matter_that_is_wrong_is_refused(yaml_text: str) -> None:
    """Half of it would be a guess."""
    assert "WI001" in {rule for rule, _, _ in said_of("Hi", f"---\n{yaml_text}---\n")}


def test_names_that_jinja_cannot_take_are_changed_and_said() -> None:
    """Dashes, words of the language."""
    said = said_of("{{first-name}} {{loop}}", "")
    assert ("WI003", 1, "the variable `first-name` is called `first_name` now") in said
    assert ("WI003", 1, "the variable `loop` is called `loop_` now") in said


def test_picoschema_becomes_json_schema() -> None:
    """The whole of it."""
    assert to_json_schema(
        {
            "a": "string, with, commas",
            "b?": "number",
            "c(array, list)": {"d?": "any"},
            "e?(enum)": ["x", "y"],
            "f?(object, o)": {"(*)": "boolean"},
            "g": "string[]",
        }
    ) == {
        "type": "object",
        "properties": {
            "a": {"type": "string", "description": "with, commas"},
            "b": {"type": ["number", "null"]},
            "c": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"d": {}},
                    "additionalProperties": False,
                },
                "description": "list",
            },
            "e": {"enum": ["x", "y", None]},
            "f": {
                "type": ["object", "null"],
                "properties": {},
                "additionalProperties": {"type": "boolean"},
                "description": "o",
            },
            "g": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["a", "c", "g"],
        "additionalProperties": False,
    }
    assert to_json_schema({"type": "object", "x": 1}) == {"type": "object", "x": 1}
    assert to_json_schema({"properties": {}}) == {"type": "object", "properties": {}}


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder of files from elsewhere."""
    folder = tmp_path / "theirs"
    (folder / "deep").mkdir(parents=True)
    (folder / "greet.prompt").write_text("{{> tone}}\nHello {{name}}")
    (folder / "_tone.prompt").write_text("Be kind.\n")
    (folder / "deep" / "ask.hbs").write_text("{{> tone}}\nAsk {{name}}")
    (folder / "deep" / "bad.handlebars").write_text("{{media url=x}}")
    (folder / "readme.md").write_text("no prompt")
    return folder


def test_a_folder_is_imported_with_its_partials(theirs: Path, tmp_path: Path) -> None:
    """Below the same paths; partials are found beside a file and above it."""
    prompts = tmp_path / "prompts"
    report = import_prompts([theirs], prompts, model="@cf/a/b", replaces=False)
    assert [(item.prompt, item.is_written, item.parts) for item in report.imported] == [
        ("deep/ask", True, ("tone.part",)),
        ("deep/bad", False, ()),
        ("greet", True, ("tone.part",)),
    ]
    assert (prompts / "tone.part").read_text() == "Be kind.\n"
    assert not (prompts / "deep" / "bad.prompt").exists()
    source = load_source(prompts, "deep/ask")
    assert source.front.model == "@cf/a/b"
    assert render_messages(source, {"name": "Ann"}) == [
        {"role": "user", "content": "Be kind.\nAsk Ann"}
    ]


def test_what_is_there_is_replaced_only_when_asked(theirs: Path, tmp_path: Path) -> None:
    """And importing the same again changes nothing and is no error."""
    prompts = tmp_path / "prompts"
    file = theirs / "greet.prompt"
    import_prompts([file], prompts, model=None, replaces=False)
    again = import_prompts([file], prompts, model=None, replaces=False)
    assert again.verdict.value != "fail"
    (prompts / "greet.prompt").write_text("mine")
    refused = import_prompts([file], prompts, model=None, replaces=False)
    assert [item.message for item in refused.findings if item.level is Level.ERROR] == [
        "prompts/greet.prompt is there already"
    ]
    assert (prompts / "greet.prompt").read_text() == "mine"
    import_prompts([file], prompts, model=None, replaces=True)
    assert "Hello" in (prompts / "greet.prompt").read_text()


def test_two_files_that_need_a_part_in_two_ways_are_not_both_imported(tmp_path: Path) -> None:
    """The second would change the first."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "_x.prompt").write_text("{{v}}")
    (folder / "a.prompt").write_text("---\ninput: {schema: {v: string}}\n---\n{{> x}}")
    (folder / "b.prompt").write_text('---\ninput: {schema: {"v?": string}}\n---\n{{> x}}')
    report = import_prompts([folder], tmp_path / "prompts", model=None, replaces=True)
    assert [item.is_written for item in report.imported] == [True, False]
    assert [item.message for item in report.findings if item.level is Level.ERROR] == [
        "prompts/x.part would be another one than for a file before"
    ]


def test_links_and_odd_files_are_refused(tmp_path: Path) -> None:
    """Neither read nor written through."""
    folder, prompts = tmp_path / "theirs", tmp_path / "prompts"
    folder.mkdir()
    prompts.mkdir()
    os.mkfifo(folder / "pipe.prompt")
    (folder / "big.prompt").write_bytes(b"x" * (1024 * 1024 + 1))
    (folder / "bytes.prompt").write_bytes(b"\xff")
    (folder / "a b.prompt").write_text("x")
    (folder / "link.prompt").write_text("x")
    (prompts / "link.prompt").symlink_to(tmp_path / "elsewhere")
    report = import_prompts([folder], prompts, model=None, replaces=False)
    assert [item.is_written for item in report.imported] == [False] * 5
    assert not (tmp_path / "elsewhere").exists()


def test_the_command_says_what_it_did_and_exits_1_when_something_is_refused(
    wai: Wai, theirs: Path
) -> None:
    """What was written is on stderr, what is to be said on stdout."""
    ran = wai("prompts", "import", str(theirs), "--model", "@cf/a/b")
    assert ran.exit_code == 1
    assert ran.stderr == ("wai: wrote prompts/deep/ask.prompt\nwai: wrote prompts/greet.prompt\n")
    assert ran.stdout.endswith("fail: 1 error, 2 notes (3 files, 2 written)\n")
    assert f"{theirs}/deep/bad.handlebars:1: error WI001 refused\n    {{{{media}}}}" in ran.stdout


def test_a_dry_run_writes_nothing(wai: Wai, theirs: Path) -> None:
    """To look first."""
    ran = wai("prompts", "import", str(theirs / "greet.prompt"), "--dry-run", "--json")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert '"is_written": false' in ran.stdout
    assert not (wai.folder / "prompts").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.txt"], "nowhere.txt does not end in .prompt, .hbs, .handlebars"),
        (["."], ". holds no file that ends in .prompt, .hbs, .handlebars"),
        (["x.hbs", "--model", "m"], "--model must be a model id"),
    ],
)
def test_a_wrong_path_or_model_is_a_usage_error(
    wai: Wai, arguments: list[str], message: str
) -> None:
    """And stdout stays empty."""
    ran = wai("prompts", "import", *arguments)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert message in ran.stderr


def test_the_rules_of_importing_are_stable() -> None:
    """They are in reports."""
    assert {rule.id: rule.name for rule in RULES.values()} == {
        "WI001": "refused",
        "WI002": "left-out",
        "WI003": "changed",
    }


HOSTILE = {
    "values": "{{a}}" * 200_000,
    "open tags": "{{" * 500_000,
    "open blocks": "{{#if a}}" * 100_000,
    "refused": "{{media}}\n" * 3_900,
    "histories": "{{history}}" * 3_900,
    "roles": "{{role 'user'}}a" * 3_900,
    "lists": "".join(f"{{{{#each a{n}}}}}{{{{/each}}}}" for n in range(1_900)),
    "escaped": "\\{{" * 300_000,
    "comments": "{{!}}" * 3_900,
    "a long comment": "{{!--" + "-" * 1_000_000 + "--}}",
    "an open comment": "{{!--" + "x" * 1_000_000,
    "quotes": "{{a '" + '"' * 1_000_000,
    "a long path": "{{a" + ".b" * 400_000 + "}}",
    "blanks": "x" + " " * 1_000_000 + "{{a}}",
    "lines": "\n" * 1_000_000 + "{{#if a}}\n{{/if}}",
    "braces": "{" * 1_000_000,
    "front": "---\n" + "a: b\n" * 100_000,
    "licence": "#\n" * 400_000,
    "deep names": "{{> " + "a/" * 400_000 + "b}}",
}


def test_no_file_takes_long(python: str) -> None:
    """All of them in a process that the system ends when it computes for too long."""
    done = subprocess.run(
        [python, "-c", CONVERT_ALL, str(Path(__file__).parent.parent), __file__],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == list(HOSTILE)


CONVERT_ALL = """
import importlib.util, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
sys.path.insert(0, sys.argv[1])
spec = importlib.util.spec_from_file_location("cases", sys.argv[2])
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)
for name, text in cases.HOSTILE.items():
    cases.convert(text, "case", cases.Said("f"), model=None, partial=lambda name: None)
    print(name)
"""
