"""Templates of strangers: nothing is run, nothing fills the memory, and all else is as it was."""

import json
import resource
import sys
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import jinja2.ext
import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mason.errors import MasonError
from mason.sources import find_model
from mason.text import Tokenizer, load_tokenizer
from mason.text.chat import chat_text
from mason.text.sandbox import Sandbox, within_bounds

from .hostile_templates import HOSTILE

TALK = [{"role": "user", "content": "Hi"}]
EVENTS: set[str] = set()
FORBIDDEN = {"os.system", "subprocess.Popen", "os.posix_spawn", "pickle.find_class", "/etc/passwd"}


def _note(event: str, given: tuple[object, ...]) -> None:
    EVENTS.add(str(given[0]) if event == "open" else event)


sys.addaudithook(_note)  # a hook cannot be taken off again


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(find_model("SmolLM2-135M-Instruct"))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_is_refused(name: str, tokenizer: Tokenizer) -> None:
    tokenizer.config["chat_template"] = HOSTILE[name]
    start, held = time.thread_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    EVENTS.clear()
    with pytest.raises(MasonError) as caught:
        chat_text(tokenizer, TALK)
    assert not FORBIDDEN.intersection(EVENTS)
    assert time.thread_time() - start < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held < 300_000, "kilobytes"
    assert "\n" not in str(caught.value)


PLAIN = (
    "{{ 'a' ~ 1 ~ none ~ [1, 'x'] }}{{ 'a' + 'b' }}{{ [1] + [2] }}{{ 'ab' * 3 }}{{ 2 ** 10 }}",
    "{{ '%s-%5d|%-4s' % ('a', 3, 'b') }}{{ '%.2f'|format(1.5) }}{{ '{:>5}{x}'.format(1, x=2) }}",
    "{% for k, v in t.items() %}{{ loop.index }}{{ k }}={{ v }};{% endfor %}",
    "{{ t|tojson(indent=2) }}{{ t|tojson }}{{ t.get('q', 7) }}{{ {'k': t}['k'].a }}",
    "{{ m|map(attribute='role')|join(', ') }}{{ m|selectattr('n', 'gt', 1)|list|length }}",
    "{{ m|map('tojson')|join('|') }}{{ m|groupby('role')|list }}{{ [3, 1]|sort|first }}",
    "{{ 'a-b-c'.split('-')|reverse|list }}{{ ', '.join(['a', 'b']) }}{{ 'x\ty'.expandtabs(4) }}",
    "{{ 'a\nb'.splitlines(true) }}{{ 'a b c'.rsplit(' ', 1) }}{{ 'a b c'.split(maxsplit=1) }}"
    "{{ range(3)|join('-') }}{{ ('a', 'b')|join }}{{ t|join }}",
    "{{ 'a\nb'|indent(2) }}{{ 'abc'|replace('b', '--')|upper|trim }}{{ 'abc'.replace('b', '') }}",
    "{{ 'abc'|replace(new='--', old='b') }}{{ '%(a)s'|format(a=1) }}{{ [1, 2]|join(d='.') }}",
    "{% set n = namespace(x=[], y=0) %}{% for i in m %}{% set n.x = n.x + [i.role] %}"
    "{% set n.y = n.y + i.n %}{% endfor %}{{ n.x }}{{ n.y }}{{ (n.x[0], n.x[-1]) }}",
    "{% macro f(a, b=2) %}<{{ a }}{{ b }}{{ caller() if caller }}>{% endmacro %}{{ f(1) }}"
    "{% call f(3, b='z') %}in{% endcall %}{% set x %}{{ f(5) }}!{% endset %}{{ x|length }}",
    "{% for i in [[1, [2]], [3]] recursive %}{% if i is iterable %}({{ loop(i) }}){% else %}"
    "{{ i }}{% endif %}{% endfor %}",
    "{% for i in range(9) if i is odd %}{{ i }}{% if loop.last %}.{% endif %}{% else %}no"
    "{% endfor %}{% for i in [] %}{{ i }}{% else %}no{% endfor %}",
    "{{ 7 // 2 }}{{ -7 % 3 }}{{ 1.5 * 2 }}{{ 5|default(1000000) }}{{ '12'|int + 1 }}",
    "{{ missing|default('d') }}{{ missing is defined }}{{ '' or 'x' }}{{ dict(a=1, b=[2]) }}",
    "{{ '<b>'|e }}{{ 'x y'|title }}{{ [1, 2, 3]|sum }}{{ [[1], [2]]|sum(start=[]) }}",
    "{{ 2.567|round(2) }}{{ 'abc'[::-1] }}{{ [1, 2, 3, 4]|batch(2)|list }}",
    "{% filter upper %}low {{ 'er' }}{% endfilter %}",
    "{%- if t.a in [1, 2] and 'x' not in 'abc' -%} yes {%- endif -%}",
)


@pytest.mark.parametrize("template", PLAIN)
def test_what_templates_do_is_as_in_the_plain_sandbox(template: str) -> None:
    given: Mapping[str, Any] = {
        "m": [{"role": "user", "n": 1}, {"role": "tool", "n": 2}, {"role": "user", "n": 3}],
        "t": {"a": 1, "b": {"c": ["你", None, True]}},
    }
    plain = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols]
    )
    plain.filters["tojson"] = partial(json.dumps, ensure_ascii=False)
    with within_bounds(3):
        ours = Sandbox().from_string(template).render(**given)
    assert ours == plain.from_string(template).render(**given)


def test_a_long_conversation_is_written(tokenizer: Tokenizer) -> None:
    """Bounds are for strangers: a book in a thousand turns, and a table asked of each of them."""
    tokenizer.config["chat_template"] = (
        "{% set n = namespace(last=0) %}{% for m in messages[::-1] %}"
        "{% set n.last = (messages|length) - loop.index0 %}{% endfor %}"
        "{% for m in messages %}{{ '<' + m.role + '>' + m.content|trim + '\n' }}{% endfor %}"
    )
    talk = [{"role": "user", "content": "word " * 800}] * 1000
    assert len(chat_text(tokenizer, talk)) == 1000 * (5 * 800 - 1 + 7)
