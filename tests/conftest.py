"""What every test shares: few threads, no network, English, reproducible properties."""

import os

# Before torch is imported: two workers on two cores would otherwise fight for them.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["MASON_LANG"] = "en"
os.environ["MASON_CATALOG"] = "off"  # runs of tests are nobody's figures

import hypothesis
import pytest
from jaxtyping import install_import_hook

# The shapes in signatures are checked while tests run; here, because the first import of a
# module decides. As in Python's own rules for types, an int is a float.
TENSOR_MODULES = ["heads", "packed", "padded", "stack", "transformer"]
install_import_hook(
    ["mason.layers", *(f"mason.models.{name}" for name in TENSOR_MODULES)],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)

hypothesis.settings.register_profile("mason", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("mason")


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages in English, whatever a test before this one chose."""
    from mason import language

    monkeypatch.setattr(language, "_chosen", None)
