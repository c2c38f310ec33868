"""What views into a model are called: the one on a page gives the page its title."""

from mason.language import say
from mason.reports.schema import Results


def view_titles() -> dict[str, str]:
    """Titles of views by the name of their block in ``extras``."""
    return {
        "attention": say("Where attention looks"),
        "lens": say("What each layer would say"),
        "ablation": say("What it can do without"),
        "probes": say("What each layer knows of the labels"),
        "neighbours": say("The nearest training rows"),
    }


def view_title(results: Results) -> str | None:
    """The title of the view that results hold; None: they hold none."""
    return next((t for name, t in view_titles().items() if name in results.extras), None)
