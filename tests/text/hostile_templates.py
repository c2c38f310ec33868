"""Chat templates of strangers that reach for code or files, or that would never come to an end."""

_LOOPS = "{% for i in range(99999) %}{% for j in range(99999) %}|{% endfor %}{% endfor %}"


def _again(change: str, then: str = "", first: str = "1") -> str:
    """``n.a`` changed 99 times."""
    loop = f"{{% for i in range(99) %}}{{% set n.a = {change} %}}{{% endfor %}}"
    return f"{{% set n = namespace(a={first}) %}}{loop}{{{{ {then or 1} }}}}"


HOSTILE: dict[str, str] = {
    # what a sandbox has to withhold
    "class of a text": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "globals of a class": "{{ cycler.__init__.__globals__.os.popen('touch ran').read() }}",
    "globals of a macro": "{% macro m() %}{% endmacro %}{{ m.__call__.__globals__ + 1 }}",
    "attribute by a filter": "{{ (''|attr('__class__')).mro() }}",
    "attribute by map": "{{ [''] | map(attribute='__class__') | map('string') | first + 1 }}",
    "attribute by a format": "{{ '{0.__class__.__mro__}'.format('').missing.more }}",
    "format by a filter": "{{ (['{0.__class__}']|map('attr','format')|list)[0]('').x.y }}",
    "file by include": "{% include '/etc/passwd' %}",
    "file by import": "{% import '/etc/passwd' as x %}",
    "file by extends": "{% extends '/etc/passwd' %}",
    "change of the messages": "{{ messages.append(1) }}",
    "change of a message": "{{ messages[0].update(content='x') }}",
    "encoded bytes": "{{ 'x'.encode().join(['y']) }}",
    "translation": "{{ 'x'.translate({120: 'y' * 9999}) }}",
    "generator's frame": "{{ (messages|map('upper')).gi_frame.f_back.f_globals.x }}",
    # memory
    "text times a number": "{{ 'x' * 9999999999 }}",
    "list times a number": "{{ [1] * 9999999999 }}",
    "text doubled": _again("n.a ~ n.a", first="'xx'"),
    "text added": _again("n.a + n.a", first="'xx'"),
    "list of one list twice": _again("[n.a, n.a]", "n.a"),
    "pair of one pair twice": _again("(n.a, n.a)", "n.a == n.a"),
    "table of one table twice": _again("{'a': n.a, 'b': n.a}", "n.a | tojson"),
    "table by dict()": _again("dict(a=n.a, b=n.a)", "n.a"),
    "namespace of namespaces": _again("namespace(a=n.a, b=n.a)", "n.a"),
    "namespaces by a filter": _again("namespace(a=n.a, b=n.a)", "n.a | lower"),
    "namespaces by per cent": _again("namespace(a=n.a, b=n.a)", "'%s' % n.a"),
    "namespaces in a refusal": _again("namespace(a=n.a, b=n.a)", "raise_exception(n.a)"),
    "list in a refusal": "{{ raise_exception(['x' * 999999] * 9) }}",
    "join of a range": "{{ range(99999)|join('x' * 99999) }}",
    "join of a pair": "{{ ('a', 'b') * 9999|join('x' * 99999) }}{{ ('a',)|join + 1 }}",
    "pieces": "{{ ('x ' * 4999999).split() | length + none }}",
    "namespaces in a list": "{{ [namespace()] }}",
    "filled batches": "{{ range(9999)|batch(99999, 'x' * 9999)|list }}",
    "ljust": "{{ 'x'.ljust(9999999999) }}",
    "zfill": "{{ 'x'.zfill(9999999999) }}",
    "expandtabs": "{{ ('\\t' * 99999).expandtabs(99999) }}",
    "replace": "{{ ('a' * 99999).replace('a', 'b' * 99999) }}",
    "replace by a filter": "{{ ('a' * 99999)|replace('a', 'b' * 99999) }}",
    "join": "{{ ('x' * 999999).join(['a'] * 99999) }}",
    "join by a filter": "{{ (['a'] * 99999)|join('x' * 99999) }}",
    "indent": "{{ ('\\n' * 99999)|indent(99999) }}",
    "indent of JSON": "{{ range(99999)|list|tojson(indent=99999) }}",
    "width of a format": "{{ '{:9999999999}'.format(1) }}",
    "width that is a value": "{{ '{:{}}'.format(1, 9999999999) }}",
    "fields of a format": "{{ ('{0}' * 99999).format('x' * 99999) }}",
    "width of per cent": "{{ '%9999999999d' % 1 }}",
    "starred width": "{{ '%*d' % (9999999999, 1) }}",
    "fields of per cent": "{{ ('%(a)s' * 99999) % {'a': 'x' * 99999} }}",
    "fields by a filter": "{{ ('%(a)s' * 99999)|format(a='x' * 99999) }}",
    "strftime": "{{ strftime_now('%Y' * 9999999) }}",
    "caught block": "{% set x %}{% for i in range(99999) %}{{ 'x' * 9999 }}{% endfor %}"
    "{% endset %}",
    "long text without end": _LOOPS.replace("|", "x" * 9999),
    # time
    "loop in a loop": _LOOPS.replace("|", ""),
    "large power": "{{ 9 ** (9 ** 9) }}",
    "large product": _again("n.a * n.a", first="9"),
    "long range": "{% for i in range(999999999) %}{% endfor %}",
    "macro that calls itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "macro that calls itself twice": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}"
    "{% endif %}{% endmacro %}{{ m(64) }}",
    "recursive loop": "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "made-up text": "{{ lipsum(n=99999) }}",
    # what ends in a mistake of any kind
    "division by zero": "{{ 1 / 0 }}",
    "unknown filter": "{{ 1|evil }}",
    "statement without an end": "{% for x in y %}",
    "twenty-one loops": "{% for i in [1] %}" * 21 + "{% endfor %}" * 21,
    "nested brackets": "{{ " + "(" * 5000 + ")" * 5000 + " }}",
    "more than a template": "x" * 200_001,
}
"""Each must be refused, in two seconds, with nothing run, read or written."""
