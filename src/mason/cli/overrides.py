"""Settings on the command line: ``--training.learning-rate 3e-5``, by any name they have."""

from collections.abc import Iterator, Sequence

from mason.errors import SettingsError


def read_overrides(words: Sequence[str]) -> dict[str, str]:
    """Names and values from what no option took.

    Raises:
        SettingsError: A word is no option, or an option has no value.
    """
    return dict(_pairs(words))


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    rest = iter(words)
    for word in rest:
        if not word.startswith("--") or word == "--":
            raise SettingsError(
                "{word!r} is not an option; give a setting with its value, "
                "such as --training.epochs 3.",
                word=word,
            )
        name, equals, value = word[2:].partition("=")
        if not equals:
            following = next(rest, None)
            if following is None or following.startswith("--"):
                raise SettingsError("--{name} needs a value.", name=name)
            value = following
        yield name, value
