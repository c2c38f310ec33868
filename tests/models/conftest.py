"""Shapes in the signatures of layers and models are checked while these tests run."""

from jaxtyping import install_import_hook

install_import_hook(
    ["mason.layers", "mason.models"],
    # As in Python's own rules for types, an int is a float.
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)
