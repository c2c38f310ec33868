"""Ways to weigh words, by name; a new one is one new file and one line here."""

from mason.errors import SettingsError
from mason.explanation.methods.gradients import GRADIENT_X_INPUT, INTEGRATED_GRADIENTS
from mason.explanation.methods.lime import LIME
from mason.explanation.methods.method import Method, Weighed
from mason.explanation.methods.occlusion import OCCLUSION
from mason.explanation.methods.rollout import ROLLOUT
from mason.explanation.methods.shap import SHAP

METHODS = {
    method.name: method
    for method in (OCCLUSION, INTEGRATED_GRADIENTS, GRADIENT_X_INPUT, LIME, SHAP, ROLLOUT)
}
DEFAULT_METHOD = OCCLUSION.name

__all__ = ["DEFAULT_METHOD", "METHODS", "Method", "Weighed", "find_method"]


def find_method(name: str) -> Method:
    """A method by its name.

    Raises:
        SettingsError: There is none of this name.
    """
    found = METHODS.get(name)
    if found is None:
        raise SettingsError(
            "There is no way to explain called {method!r}; choose one of {known}.",
            method=name,
            known=", ".join(METHODS),
        )
    return found
