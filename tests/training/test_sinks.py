"""What TensorBoard and MLflow are told, read back with their own readers."""

import math
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mason.errors import SettingsError
from mason.training.history import Evaluation, History, Step
from mason.training.log import Log
from mason.training.sinks import MLflow, Sinks, TensorBoard

SAMPLE = [{"given": "The [MASK]", "written": "The cat", "wanted": "The dog"}]


def _step(number: int, loss: float) -> Step:
    return Step(number, number / 10, loss, 0.1, 1.0, 640, 0.5)


def _evaluation(number: int, loss: float) -> Evaluation:
    return Evaluation(number, 1.0, 2.0, loss, token_accuracy=0.25, samples=SAMPLE)


class _Kept:
    """A sink that remembers, and breaks when it is asked to."""

    def __init__(self, breaks: str | None = None) -> None:
        self.told: list[tuple[int, Mapping[str, float]]] = []
        self.breaks = breaks

    def begin(self, step: int) -> None:
        self.told = [(n, values) for n, values in self.told if n < step]

    def tell(self, step: int, values: Mapping[str, float], texts: Mapping[str, str]) -> None:
        if self.breaks:
            raise ConnectionError(self.breaks)
        self.told.append((step, values))

    def flush(self) -> None: ...

    def close(self) -> None: ...


def test_what_the_log_receives_and_a_run_that_goes_back(tmp_path: Path) -> None:
    sink, history = _Kept(), History(9)
    log = Log(tmp_path / "log.jsonl", Sinks({"kept": sink}, print))
    for number in (1, 2, 3):
        history.steps.append(_step(number, 3.0))
        log(history)
    history.evaluations.append(_evaluation(3, 2.5))
    log(history)
    history.steps.append(_step(4, math.nan))
    log(history)
    assert [n for n, _ in sink.told] == [1, 2, 3, 3, 4]
    assert sink.told[0][1]["train/tokens_per_second"] == 1280
    assert sink.told[3][1]["valid/token_accuracy"] == 0.25
    assert "train/loss" not in sink.told[4][1]
    log.rewind(history, None)  # nothing was kept: the run begins again
    history.steps.append(_step(1, 2.0))
    log(history)
    assert [(n, v["train/loss"]) for n, v in sink.told] == [(1, 2.0)]


def test_a_sink_that_fails_is_left_out_and_said_once() -> None:
    said: list[str] = []
    good = _Kept()
    sinks = Sinks({"broken": _Kept(breaks="no  route"), "good": good}, said.append)
    sinks.tell([_step(1, 1.0), _step(2, 1.0)], [])
    assert said == ["broken takes no more (no route); the run goes on without it."]
    assert [n for n, _ in good.told] == [1, 2]


def test_tensorboard_reads_each_step_once_after_a_kill(tmp_path: Path) -> None:
    pytest.importorskip("absl", reason="tensorboard is not installed whole")
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    killed = Sinks({"tensorboard": TensorBoard(tmp_path)}, pytest.fail)
    killed.tell([_step(n, 5.0) for n in range(1, 6)], [_evaluation(5, 4.0)])
    killed.flush()
    resumed = Sinks({"tensorboard": TensorBoard(tmp_path)}, pytest.fail)
    resumed.tell([_step(n, 1.0) for n in (4, 5, 6)], [_evaluation(6, 3.0)])
    resumed.close()
    found = accumulators.EventAccumulator(str(tmp_path), purge_orphaned_data=True).Reload()
    losses = [(event.step, event.value) for event in found.Scalars("train/loss")]
    assert losses == [(1, 5.0), (2, 5.0), (3, 5.0), (4, 1.0), (5, 1.0), (6, 1.0)]
    assert [(e.step, e.value) for e in found.Scalars("valid/loss")] == [(6, 3.0)]
    text = found.Tensors("samples/text_summary")[-1]
    assert text.step == 6 and b"The cat" in text.tensor_proto.string_val[0]


def test_mlflow_reads_each_step_once_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = pytest.importorskip("mlflow.tracking")
    pytest.importorskip("sqlalchemy", reason="mlflow is not installed whole")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def sinks() -> Sinks:
        sink = MLflow("run", tmp_path / "mlruns", tmp_path / "id", {"training.seed": 1})
        return Sinks({"mlflow": sink}, pytest.fail)

    killed = sinks()
    killed.tell([_step(n, 5.0) for n in range(1, 6)], [_evaluation(5, 4.0)])
    killed.flush()
    resumed = sinks()
    resumed.tell([_step(n, 1.0) for n in (4, 5, 6)], [_evaluation(5, 3.5), _evaluation(6, 3.0)])
    resumed.close()
    client = tracking.MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    run = (tmp_path / "id").read_text(encoding="utf-8")
    told = sorted((m.step, m.value) for m in client.get_metric_history(run, "train/loss"))
    assert told == [(1, 5.0), (2, 5.0), (3, 5.0), (4, 5.0), (5, 5.0), (6, 1.0)]
    assert sorted(m.step for m in client.get_metric_history(run, "valid/loss")) == [5, 6]
    found = client.get_run(run)
    assert found.data.params == {"training.seed": "1"} and found.info.status == "FINISHED"
    assert [f.path for f in client.list_artifacts(run, "samples")] == [
        "samples/step-5.md", "samples/step-6.md",
    ]  # fmt: skip


# Last, for a package that was not let in whole is left half imported.
@pytest.mark.parametrize(
    ("module", "make"),
    [
        ("torch.utils.tensorboard.writer", lambda place: TensorBoard(place)),
        ("mlflow.tracking", lambda place: MLflow("run", place, place / "id", {})),
    ],
)
def test_a_missing_package_is_one_sentence(
    module: str, make: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError, match=r"not installed .*pip install .mason-lm"):
        make(tmp_path)
