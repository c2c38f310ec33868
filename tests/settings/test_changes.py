"""What may change in a run that goes on."""

from mason.settings.changes import FELT, FIXED, FREE, JUDGED_BY_CONTENT
from mason.settings.schema import paths


def test_every_setting_is_judged_once() -> None:
    judged = sorted(path for of in (FREE, JUDGED_BY_CONTENT, FELT, FIXED) for path in of)
    assert judged == sorted(paths())
