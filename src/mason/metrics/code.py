"""How near written code is to the code wanted: same tree, compiles, passes its tests.

Python alone is parsed; of other languages exact match and edit similarity are told. All are 0
to 1.
"""

import ast
import textwrap
import warnings
from collections.abc import Callable, Sequence
from importlib.abc import InspectLoader

import numpy as np

from mason.metrics.texts import TextScores, match_scores, mean_estimate

Texts = Sequence[str]
Passing = Callable[[str, str], bool]
"""Whether a program, then its tests, runs to its end without an error."""


def tree_of(code: str) -> str | None:
    """What a program is, its layout, comments and the prefix ``u`` left out; None: no Python.

    Of a docstring the indent and the space at line ends are layout too.
    """
    try:
        with warnings.catch_warnings():  # such as an escape that means nothing
            warnings.simplefilter("ignore")
            tree = ast.parse(textwrap.dedent(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            node.kind = None
    return ast.dump(tree)


def compiles(code: str) -> bool:
    """Whether a program compiles; nothing of it is run."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            InspectLoader.source_to_code(textwrap.dedent(code), "<written>")
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return False
    return True


def is_python(codes: Texts) -> bool:
    """Whether most of these programs are Python."""
    return 2 * sum(tree_of(code) is not None for code in codes) > len(codes)


def translation_scores(
    written: Texts, wanted: Texts, *, tests: Texts = (), passing: Passing | None = None
) -> TextScores:
    """Scores of translated programs; the first one counts.

    Args:
        written: Programs.
        wanted: What they should be; where most of them are Python, trees are compared.
        tests: Programs that test each; an empty one is none.
        passing: What runs them.

    Raises:
        DataError: There are no rows.
    """
    matched = match_scores(written, wanted)
    if not is_python(wanted):
        return matched
    right = [tree_of(code) for code in wanted]
    same = [float(b is not None and tree_of(a) == b) for a, b in zip(written, right, strict=True)]
    rows = {"same_tree": np.array(same), "compiles": np.array([*map(compiles, written)], float)}
    if passing is not None and any(tests):
        tried = [(a, test) for a, test in zip(written, tests, strict=True) if test.strip()]
        rows["tests_passed"] = np.array([passing(a, test) for a, test in tried], float)
    overall = {name: mean_estimate(values) for name, values in rows.items()} | matched.overall
    # The worst are those of another tree, the least alike first.
    return TextScores(overall, (rows["same_tree"] + matched.each) / 2, {})


def completion_scores(written: Texts, wanted: Texts, *, before: Texts, after: Texts) -> TextScores:
    """Scores of completed programs; compile rate over the rows that compile as wanted.

    Args:
        written: What was put in.
        wanted: What should have been.
        before: The program before it.
        after: The program after it; empty where it ends.

    Raises:
        DataError: There are no rows.
    """
    matched = match_scores(written, wanted)
    around = [*zip(written, wanted, before, after, strict=True)]
    whole = [(f"{a}{w}{z}", f"{a}{r}{z}") for w, r, a, z in around]
    tried = [float(compiles(made)) for made, right in whole if compiles(right)]
    if not tried:
        return matched
    overall = matched.overall | {"compiles": mean_estimate(np.array(tried))}
    return TextScores(overall, matched.each, {})
