"""``mason selfcheck`` passes here, and notices what it is there to notice."""

import pytest
import torch

from mason.cli.main import run
from mason.layers import Attention
from mason.workflows import selfchecking
from mason.workflows.selfchecking import selfcheck


def test_every_check_passes_on_the_processor(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["selfcheck", "--device", "cpu"]) == 0
    told = capsys.readouterr().out
    assert "All 9 checks passed on cpu." in told
    assert "FAILED" not in told


def test_wrong_attention_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Attention.weigh

    def wrong(
        self: Attention,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        bias: torch.Tensor | None,
    ) -> torch.Tensor:
        return right(self, query, key, value, None)  # empty slots and later keys are seen

    monkeypatch.setattr(Attention, "weigh", wrong)
    failed = {check.name.partition(":")[0] for check in selfcheck("cpu") if not check.passed}
    assert {"attention", "encoder", "decoder"} <= failed


def test_a_check_that_breaks_down_fails_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("no kernel for this\nand a long trace")

    monkeypatch.setattr(selfchecking, "generate", broken)
    (failed,) = [check for check in selfcheck("cpu") if not check.passed]
    assert failed.found == "no kernel for this"


def test_a_device_that_is_not_here_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    absent = "cuda" if not torch.cuda.is_available() else "mps"
    assert run(["selfcheck", "--device", absent]) == 2
    assert absent in capsys.readouterr().err
