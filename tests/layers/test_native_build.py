"""Where there is a compiler the kernels are there, so that their tests are not passed over."""

import os
import shutil

import pytest

from mason.layers import native

OFF = os.environ.get("MASON_COMPILED") == "0"


@pytest.mark.skipif(OFF or shutil.which("cc") is None, reason="there is no compiler")
def test_the_kernels_are_built() -> None:
    assert native.library() is not None, "make install leaves them out; see pip install -v -e ."
