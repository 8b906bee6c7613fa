"""Every rule of `wai prompts lint`: what it finds, what it leaves alone, and its edges."""

from dataclasses import replace

import pytest

from support.lint_cases import LONG, SOME, declared, front, look, rules
from wai_ops.core.findings import Level
from wai_ops.prompts.lint.look import Options, Secret
from wai_ops.prompts.lint.registry import BY_ID, RULES

SYSTEM, USER, ASSISTANT = "{% role system %}", "{% role user %}", "{% role assistant %}"


def in_system(expression: str, *names: str, **typed: str) -> str:
    """A prompt whose system text begins with an expression, long text behind it."""
    body = f"{SYSTEM}\n{expression}\n{LONG}\n{USER}\nHello"
    return front(body, declared(*names, **typed))


def at_the_end(expression: str, *names: str, **typed: str) -> str:
    """A prompt whose last message ends in an expression."""
    body = f"{SYSTEM}\n{LONG}\n{USER}\n{expression}"
    return front(body, declared(*names, **typed))


HITS: dict[str, list[str]] = {
    "WP001": [
        front("{{#if x}}a{{/if}}"),
        front("{% role robot %}\nhello"),
        front("hello\n{% role user %}\nhello"),
        front("{% if x %}never ended"),
        "---\nmodle: x\n---\nhello\n",
        "",
        front('{% include "missing.part" %}'),
        front("{{ " + "(" * 3000 + "x" + ")" * 3000 + " }}"),
    ],
    "WP002": [
        in_system("{{ today }}", "today"),
        in_system("{{ current_date }}", "current_date"),
        in_system("{{ ctx.now }}", ctx="object"),
        in_system("{{ nowUtc }}", "nowUtc"),
        in_system("{{ now() }}", "now"),
        in_system("{{ clock.strftime('%H') }}", clock="object"),
        in_system("{% set d = today %}{{ d }}", "today"),
        in_system("{% if current_time > '12' %}Good evening{% endif %}", "current_time"),
        front(f"{SYSTEM}\n{SOME}\n{{{{ date }}}}\n{USER}\nHi", declared("date")),
        front(f"{{{{ timestamp }}}}\n{LONG}", declared("timestamp")),
    ],
    "WP003": [
        in_system("{{ request_id }}", "request_id"),
        in_system("{{ traceId }}", "traceId"),
        in_system("{{ uuid }}", "uuid"),
        in_system("{{ uuid4() }}", "uuid4"),
        in_system("{{ session['id'] }}", session="object"),
        in_system("{{ nonce }}", "nonce"),
    ],
    "WP004": [
        in_system("{{ random_seed }}", random_seed="integer"),
        in_system("{{ shuffled_examples | join }}", shuffled_examples="list"),
        in_system("{{ rng.randint(1, 6) }}", rng="object"),
        in_system("{{ salt }}", "salt"),
    ],
    "WP005": [
        in_system("{{ turn_index }}", turn_index="integer"),
        in_system("{{ attempt }}", attempt="integer"),
        in_system("{{ messageCount }}", messageCount="integer"),
        in_system("{{ tokens_left }}", tokens_left="integer"),
    ],
    "WP006": [
        front(f"{{{{ name }}}} asks.\n{LONG}", declared("name")),
        in_system("{{ company }}", "company"),
        front(
            f"{SYSTEM}\nBe brief.\n{USER}\n{{{{ question }}}}\n{LONG}",
            declared("question"),
        ),
        in_system("{% if premium %}Dear{% endif %}", premium="boolean"),
        in_system("{% for p in products %}{{ p }}{% endfor %}", products="list"),
    ],
    "WP007": [
        at_the_end("{% for k, v in m.items() %}{{ k }}{{ v }}{% endfor %}", m="object"),
        at_the_end("{% for k in m %}{{ k }}{% endfor %}", m="object"),
        at_the_end("{% for k, v in m | items %}{{ k }}{{ v }}{% endfor %}", m="object"),
        at_the_end("{{ m.keys() | join(', ') }}", m="object"),
        at_the_end("{{ m.a.values() | list | join }}", m="object"),
        at_the_end("{% set all = m.items() %}{% for k, v in all %}{{ k }}{% endfor %}", m="object"),
        at_the_end("{{ m | list | join(',') }}", m="object"),
    ],
    "WP008": [
        front(f"{SYSTEM}\nToday is 14 March 2026.\n{USER}\nHi"),
        front(f"{SYSTEM}\nThe current date is 2026-03-14.\n{USER}\nHi"),
        front("Current year: 2026. Say hello."),
        front("As of now, Monday, we are open."),
        front("Today's date: x. Current time: 12:45"),
    ],
    "WP009": [
        front("Say hello to {{ name }}", declared("name")),
        front(
            f"{SOME} {SOME} {SOME} {SOME} {{{{ name }}}} {SOME}",
            declared("name"),
        ),
        front("Say hello"),
    ],
    "WP010": [
        front("Hi", "tools: [{name: b}, {name: a}]\n"),
        front("Hi", "tools: [{type: function, function: {name: b}}, {name: a}]\n"),
        front("Hi", "tools: [{name: a}, {name: B}]\n"),
    ],
    "WP011": [
        front(
            "Always answer in the language of the customer.\nKeep it short.\n"
            "Please reply in the customer's language."
        ),
        front("Do not mention any competitors by name.\nNever mention competitors by name!"),
        front(
            f"{SYSTEM}\nKeep answers under five sentences.\n{USER}\n"
            "Hello. Keep the answer under five sentences."
        ),
        front(
            "{% if a %}Ask for the order number first.{% endif %}\nAsk for the order number first.",
            declared(a="boolean"),
        ),
        front('{% include "x.part" %}\n{% include "x.part" %}'),
    ],
    "WP012": [
        front("<|im_start|>system\nBe brief."),
        front("[INST] Be brief. [/INST]"),
        front("<<SYS>>Be brief.<</SYS>>"),
        front("<start_of_turn>user"),
        front("System: be brief.\n{{ q }}", declared("q")),
        front("### System:\nbe brief."),
    ],
    "WP013": ["Hello", "---\nparameters: {seed: 3}\n---\nHello\n"],
    "WP014": [
        front("Answer with valid JSON."),
        front(f"{SYSTEM}\nReturn a JSON object with the fields a and b.\n{USER}\nHi"),
        front("Your output must be JSON: write nothing else."),
    ],
    "WP015": [front("The password is hunter22.")],
    "WP016": [
        front("Hello {{ nmae }}", declared("name")),
        front("Hello {{ x }}", declared()),
        front("{% for a in b %}{{ c }}{% endfor %}", declared(b="list")),
    ],
    "WP017": [
        front("Hello", declared("name")),
        front("{# {{ name }} #}Hello {{ other }}", declared("name", "other")),
        front("{% for name in other %}{{ name }}{% endfor %}", declared("name", other="list")),
    ],
    "WP018": [front("Hello {{ name }}")],
    "WP019": [front("Hello", "lint: {ignore: [WP999]}\n")],
}
MISSES: dict[str, list[str]] = {
    "WP001": [front("Hello"), front("{% role user %}\n{# nothing #}Hello"), "\ufeff" + front("Hi")],
    "WP002": [
        at_the_end("{{ today }}", "today"),
        in_system("{{ order_date }}", "order_date"),
        in_system("{{ timezone }} {{ time_zone }}", "timezone", "time_zone"),
        in_system("{{ date_format }}", "date_format"),
        in_system("{{ birthday }} {{ update }}", "birthday", "update"),
        in_system("{{ response_time }}", "response_time"),
        in_system("{# {{ today }} #}", "name"),
        in_system("{% raw %}{{ today }}{% endraw %}"),
        in_system("{{ 'today' }}"),
        in_system("{% set today = 'a fixed day' %}{{ today }}"),
        front(f"{{{{ today }}}} {SOME}", declared("today")),
    ],
    "WP003": [
        in_system("{{ tenant_id }}", "tenant_id"),
        in_system("{{ customer_uuid }}", "customer_uuid"),
        in_system("{{ id }}", "id"),
        in_system("{{ product.id }}", product="object"),
        in_system("{{ request }} {{ session }}", "request", "session"),
        at_the_end("{{ request_id }}", "request_id"),
        in_system("{{ video }} {{ identity }}", "video", "identity"),
    ],
    "WP004": [
        in_system("{{ random_forest_notes }}", "random_forest_notes"),
        in_system("{{ sample }}", "sample"),
        in_system("{{ choice }}", "choice"),
        in_system("{{ seed }}", "seed"),
        at_the_end("{{ random_number }}", "random_number"),
        in_system("{{ salted_caramel }}", "salted_caramel"),
    ],
    "WP005": [
        in_system("{{ count }}", count="integer"),
        in_system("{{ product_count }}", product_count="integer"),
        in_system("{{ max_attempts }}", max_attempts="integer"),
        in_system("{% for x in xs %}{{ loop.index }}. {{ x }}{% endfor %}", xs="list"),
        at_the_end("{{ turn_index }}", turn_index="integer"),
    ],
    "WP006": [
        at_the_end("{{ question }}", "question"),
        at_the_end(f"{{{{ question }}}} {SOME}", "question"),
        front(f"{SYSTEM}\n{LONG}"),
        in_system("{{ today }}", "today"),  # WP002 has said it
        in_system("{% set a = name %}", "name"),
        in_system("{{ 'constant' }}{% for i in range(3) %}{{ i }}{% endfor %}"),
        front(f"{LONG * 12}\n{{{{ q }}}}\n{LONG}", declared("q")),  # under a tenth
        front(f"{{{{ q }}}}{{% if q %}}{LONG}{{% endif %}}", declared("q")),  # not fixed
    ],
    "WP007": [
        at_the_end("{% for k, v in m | dictsort %}{{ k }}{{ v }}{% endfor %}", m="object"),
        at_the_end("{% for k in m | sort %}{{ k }}{% endfor %}", m="object"),
        at_the_end("{{ m | tojson }} {{ m.keys() | length }}", m="object"),
        at_the_end("{{ m.keys() | sort | join }}", m="object"),
        at_the_end("{% for x in xs %}{{ x.name }}{% endfor %}", xs="list"),
        at_the_end("{% if 'a' in m %}{{ m.a }}{% endif %}", m="object"),
        at_the_end("{% if m %}{{ m.a }}{% elif m.b %}b{% endif %}", m="object"),
        at_the_end("{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}"),
        at_the_end("{{ m.get('a') }}{{ m.items }}", m="object"),
    ],
    "WP008": [
        front("Our terms of 2026-01-31 hold."),
        front("Today is a good day."),
        front("The user tells you the current date."),
        front("Current date: {{ d }}. In 2025 we moved.", declared("d")),
        front(
            f"{SYSTEM}\nBook.\n{USER}\nToday is Monday, book.\n{ASSISTANT}\nDone.\n{USER}\n"
            "{{ q }}",
            declared("q"),
        ),
    ],
    "WP009": [
        front(LONG),
        at_the_end("{{ q }}", "q"),
        front(f"{{{{ q }}}} {LONG}", declared("q")),  # WP006 has said it
        front("Hi {{ q }}", declared("q") + f'tools: [{{name: a, description: "{LONG}"}}]\n'),
    ],
    "WP010": [
        front("Hi", "tools: [{name: a}, {name: b}]\n"),
        front("Hi", "tools: [{name: b}]\n"),
        front("Hi"),
    ],
    "WP011": [
        front(
            "{% if a %}Ask for the order number first.{% else %}"
            "Ask for the order number first.{% endif %}",
            declared(a="boolean"),
        ),
        front(
            "Ask the customer before you call the courier.\n"
            "Ask the courier before you call the customer."
        ),
        front("Always mention the price of the parcel.\nNever mention the price of the parcel."),
        front("Step 1: read the letter of the customer.\nStep 2: read the letter of the customer."),
        front("```\nreturn the value of the field\nreturn the value of the field\n```"),
        front("| the order number | is asked first |\n| the order number | is asked first |"),
        front("Be brief.\nBe brief.\n"),
        front('statement: "The order number is asked first"\n- "The order number is asked first"'),
        front('Say "yes" to a wish that can be met.\nSay "no" to a wish that can be met.'),
        front("see https://a.example/one/two/three/four\nsee https://a.example/one/two/three/four"),
        front("Call it so:\n\n    look up the order by number\n    look up the order by number"),
        front("AI: Here is what can be done now.\nAI: Here is what can be done now."),
        front("What is the best cure for a cold?\nWhat is the best cure for a cold?"),
        front(
            f"{SYSTEM}\nBook.\n{USER}\nBook a room for two people.\n{ASSISTANT}\nDone.\n{USER}\n"
            "Book a room for two people."
        ),
        front(
            "The field `a` holds the name of the sender.\n"
            "The field `b` holds the name of the sender."
        ),
    ],
    "WP012": [
        front("The operating system: a short story about an <a> tag and [links]."),
        front("User: {{ q }}\nAssistant:", declared("q")),
        front(f"{SYSTEM}\nSystem: a name of a field.\n{USER}\nHi"),
        front("{{ a | default('<|im_start|>') }}", declared("a")),
        front("a <| b |> c"),
    ],
    "WP013": [front("Hello")],
    "WP014": [
        front("Answer with JSON.", "output_schema: {type: object}\n"),
        front("You are given the order as JSON. Explain it in one sentence."),
        front("Do not answer in JSON."),
        front("Answer. The field json_path names a file."),
        front(
            f"{SYSTEM}\nTalk.\n{USER}\nAnswer as JSON.\n{ASSISTANT}\nNo.\n{USER}\n{{{{ q }}}}",
            declared("q"),
        ),
    ],
    "WP015": [front("The password is asked for on the page.")],
    "WP016": [
        front("{{ name }}", declared("name")),
        front("{{ anything }}"),
        front(
            "{% set x = 1 %}{{ x }}{% for y in range(2) %}{{ loop.index }}{% endfor %}", declared()
        ),
    ],
    "WP017": [
        front("{{ name }}", declared("name")),
        front("{% if flag %}a{% endif %}", declared(flag="boolean")),
        front('{% include "y.part" %}', declared("y")),
        front(f"{SYSTEM}\nHi\n{USER}\n{{{{ name }}}}", declared("name")),
    ],
    "WP018": [front("Hello"), front("{{ name }}", declared("name"))],
    "WP019": [front("Hello", "lint: {ignore: [WP009]}\n")],
}
FILES = {"x.part": "Keep the tone calm and friendly at all times.\n", "y.part": "{{ y }}"}


def find_secrets(text: str) -> list[Secret]:
    """A detector that knows one secret."""
    at = text.find("hunter22")
    return [] if at < 0 else [Secret(start=at, end=at + 8, kind="password")]


OPTIONS = Options(find_secrets=find_secrets, block_tokens=128)


def cases(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Every rule with each of its prompts."""
    return [(rule, text) for rule, texts in table.items() for text in texts]


@pytest.mark.parametrize(("rule", "text"), cases(HITS))
def test_a_rule_finds_what_it_is_for(rule: str, text: str) -> None:
    """One prompt for each way to break it."""
    assert rule in rules(text, FILES, OPTIONS)


@pytest.mark.parametrize(("rule", "text"), cases(MISSES))
def test_a_rule_leaves_alone_what_is_fine(rule: str, text: str) -> None:
    """What only looks like it: every one of these would be a false alarm."""
    assert rule not in rules(text, FILES, OPTIONS)
    assert rule == "WP001" or "WP001" not in rules(text, FILES, OPTIONS)


def test_every_rule_has_prompts_that_break_it_and_that_do_not() -> None:
    """A new rule comes with both."""
    assert set(HITS) == set(MISSES) == set(BY_ID)
    assert [rule.id for rule in RULES] == sorted(BY_ID)
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_the_ids_and_names_of_rules_never_change() -> None:
    """Front matters, settings and alerts refer to them."""
    assert {rule.id: rule.name for rule in RULES} == {
        "WP001": "unreadable",
        "WP002": "clock-in-prefix",
        "WP003": "id-in-prefix",
        "WP004": "random-in-prefix",
        "WP005": "counter-in-prefix",
        "WP006": "variable-before-text",
        "WP007": "unsorted-mapping",
        "WP008": "dated-text",
        "WP009": "short-prefix",
        "WP010": "tool-order",
        "WP011": "duplicate-instruction",
        "WP012": "role-in-text",
        "WP013": "no-output-limit",
        "WP014": "no-output-schema",
        "WP015": "secret",
        "WP016": "undeclared-variable",
        "WP017": "unused-variable",
        "WP018": "variables-not-declared",
        "WP019": "unknown-rule",
    }


def only(text: str, rule: str, options: Options = OPTIONS) -> tuple[str, int, int, str]:
    """Place and message of the one finding of a rule."""
    (found,) = [item for item in look(text, FILES, options) if item.rule == rule]
    return found.file, found.line, found.column, found.message


def test_a_volatile_value_is_named_once_with_its_place_and_what_it_costs() -> None:
    """The first place is where the prefix ends."""
    text = in_system("Hi {{ today }} and {{ today }}", "today")
    assert only(text, "WP002") == (
        "prompts/case.prompt",
        7,
        4,
        "`today` changes with the time, and about 378 tokens of fixed text stand behind it",
    )


def test_a_value_in_a_part_is_found_in_the_part() -> None:
    """Where it has to be changed."""
    text = front('{% include "x/date.part" %}\n' + LONG, declared("today"))
    (found,) = [
        item
        for item in look(text, {"x/date.part": "It is\n  {{ today }}\n"}, OPTIONS)
        if item.rule == "WP002"
    ]
    assert found.place == "prompts/x/date.part:2:3"
    assert (found.end_line, found.end_column) == (2, 14)


def test_a_date_at_the_end_of_a_long_system_text_is_still_in_the_prefix_of_every_turn() -> None:
    """The turns of a conversation come behind it."""
    text = front(f"{SYSTEM}\n{LONG}\n{{{{ today }}}}\n{USER}\nHi", declared("today"))
    assert only(text, "WP002")[3] == (
        "`today` changes with the time, and every later turn of a conversation has the system "
        "text in its prefix"
    )


def test_the_threshold_of_fixed_text_behind_a_value_is_32_tokens() -> None:
    """In a single message: 128 bytes of text count, 124 do not."""
    text = declared("today")
    assert "WP002" in rules(front("{{ today }}" + "x" * 128, text))
    assert "WP002" not in rules(front("{{ today }}" + "x" * 124, text))


def test_the_block_is_a_setting() -> None:
    """The provider names no figure; who knows one says so."""
    small, large = replace(OPTIONS, block_tokens=8), replace(OPTIONS, block_tokens=4096)
    text = front(f"{SOME} {{{{ q }}}} {SOME}", declared("q"))
    assert {"WP006"} <= rules(text, options=small)
    assert not {"WP006", "WP009"} & rules(
        front(f"{SOME} {{{{ q }}}}", declared("q")), options=small
    )
    assert only(front(LONG), "WP009", large)[3] == (
        "the stable prefix has about 379 tokens, 3,717 short of a block of 4,096: nothing of it "
        "is cached across conversations"
    )


def test_a_short_prefix_is_a_warning_only_where_more_text_could_fill_it() -> None:
    """A prompt that is short as a whole can do nothing about it."""
    few = front("Say hello to {{ name }}", declared("name"))
    half = f"{SOME} {SOME} {SOME} {SOME}"
    some = front(f"{half} {{{{ name }}}} {SOME} {SOME}", declared("name"))
    levels = [
        item.level
        for text in (few, some)
        for item in look(text, options=OPTIONS)
        if item.rule == "WP009"
    ]
    assert levels == [Level.NOTE, Level.WARNING]


def test_a_duplicate_names_the_first_place() -> None:
    """Also across files."""
    text = front('{% include "x.part" %}\nOk.\nKeep a calm and friendly tone at all times, please.')
    file, line, column, message = only(text, "WP011")
    assert (file, line, column) == ("prompts/case.prompt", 6, 1)
    assert message == (
        "says again what prompts/x.part:1 says: “Keep the tone calm and friendly at all times”"
    )


def test_a_part_that_is_included_twice_is_said_once() -> None:
    """Not once a sentence."""
    files = {"x.part": "Keep the tone calm and friendly.\nName the order before the parcel.\n"}
    text = front('{% include "x.part" %}\n{% include "x.part" %}')
    assert [item.message for item in look(text, files) if item.rule == "WP011"] == [
        "x.part is included twice: “Keep the tone calm and friendly”"
    ]


def test_an_undeclared_variable_is_an_error_with_the_nearest_name() -> None:
    """A typing error is the usual cause."""
    text = front("Hello {{ nmae }}", declared("name"))
    (found,) = [item for item in look(text) if item.rule == "WP016"]
    assert (found.level, found.place) == (Level.ERROR, "prompts/case.prompt:6:7")
    assert found.hint == "did you mean `name`?"


@pytest.mark.parametrize(
    ("yaml", "line"),
    [
        ("variables:\n  a: string\n  spare: string\n", 5),
        ('variables:\n  a: string\n  "spare" : string\n', 5),
        ("variables: {a: string, spare: string}\n", 3),
        ("variables:\n  sparest:\n    description: x\n  spare:\n    type: string\n  a:\n", 6),
    ],
)
def test_an_unused_variable_is_found_on_its_line(yaml: str, line: int) -> None:
    """However the YAML is written."""
    found = [
        item
        for item in look(front("{{ a }}", yaml))
        if item.rule == "WP017" and item.key == "spare"
    ]
    assert [item.line for item in found] == [line]


def test_a_secret_is_never_shown() -> None:
    """Neither in the message nor in anything else of the finding."""
    text = front("Hi", 'description: "hunter22"\n')
    (found,) = [item for item in look(text, options=OPTIONS) if item.rule == "WP015"]
    assert (found.place, found.message) == (
        "prompts/case.prompt:3:15",
        "this looks like a credential: password",
    )
    assert "hunter22" not in repr(found)


def test_a_secret_in_tools_of_another_file_is_found_there() -> None:
    """All files of a prompt are looked through."""
    files = {"tools.json": '[\n {"name": "a", "description": "hunter22"}]'}
    text = front("Hi", "tools: tools.json\n")
    (found,) = [item for item in look(text, files, OPTIONS) if item.rule == "WP015"]
    assert found.place == "prompts/tools.json:2:32"


def test_handlebars_is_told_where_to_go() -> None:
    """A file that was dropped in from elsewhere."""
    (found,) = look(front("{{#if x}}a{{/if}}"))
    assert (
        found.hint == "this looks like Handlebars: wai prompts import --force prompts/case.prompt"
    )


def test_findings_of_one_rule_are_cut_and_counted() -> None:
    """A generated prompt does not bury everything else."""
    text = front("".join(f"{{{{ v{number} }}}}" for number in range(100)), declared("name"))
    found = [item for item in look(text) if item.rule == "WP016"]
    assert len(found) == 21
    assert found[-1].message.endswith("is not declared (and 79 more of this rule)")
