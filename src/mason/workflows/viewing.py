"""Views into a model by name, and which of a user's options each of them takes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mason.errors import SettingsError
from mason.workflows.ablating import view_ablation
from mason.workflows.looking import view_attention, view_lens
from mason.workflows.model import Model
from mason.workflows.neighbouring import view_neighbours
from mason.workflows.probing import view_probes

_TABLE = ("rows", "label", "columns", "encoding", "format")


@dataclass(frozen=True)
class View:
    """A way to look into a model.

    Attributes:
        run: Called with the model, the options, ``output`` and ``command``.
        needs: Options it cannot do without.
        takes: Options it may have.
    """

    run: Callable[..., dict[str, Any]]
    needs: tuple[str, ...]
    takes: tuple[str, ...]


VIEWS = {
    "attention": View(view_attention, ("text",), ("pair", "why", "layer", "head")),
    "lens": View(view_lens, ("text",), ("why",)),
    "ablation": View(view_ablation, ("data",), ("text", "pair", "notice", *_TABLE)),
    "probes": View(view_probes, ("data",), ("text", *_TABLE)),
    "neighbours": View(view_neighbours, ("text", "data"), ("pair", *_TABLE)),
}


def view(
    model: Model | str | Path,
    name: str,
    *,
    output: str | Path | None = None,
    command: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Look into a model.

    Args:
        model: A model, or a name as for ``mason.load``.
        name: One of ``VIEWS``.
        output: Folder for ``results.json`` and ``report.html``; None: nothing is written.
        command: How to repeat this, for the report.
        options: As the view's own function takes them; those that are None count as left out.

    Returns:
        What ``results.json`` holds; the view is in ``extras`` by its name.

    Raises:
        SettingsError: There is no such view, or it lacks an option or has one too many.
        MasonError: As the view's own function.
    """
    found = VIEWS.get(name)
    if found is None:
        raise SettingsError(
            "There is no view called {view!r}; choose words or one of {known}.",
            view=name,
            known=", ".join(VIEWS),
        )
    given = {key: value for key, value in options.items() if value is not None}
    for key in found.needs:
        if key not in given:
            raise SettingsError("--view {view} needs --{option}.", view=name, option=key)
    known = {*found.needs, *found.takes}
    for key in given:
        if key not in known and key != "notice":
            raise SettingsError(
                "--{option} means nothing to --view {view}; leave it out.", view=name, option=key
            )
    asked = {key: value for key, value in given.items() if key in known}
    return found.run(model, **asked, output=output, command=command)
