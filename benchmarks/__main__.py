"""Every benchmark, one after another: ``python -m benchmarks [NAME …]``."""

import subprocess
import sys

NAMES = (
    "parity",
    "faulty_inputs",
    "hostile_files",
    "fuzz",
    "classification",
    "forecast",
    "lm_head",
    "finetune",
    "startup",
    "corpus",
    "pretrain",
    "pretrain_quality",
    "pretrain_demo",
    "dial",
    "continued",
    "tasks",
    "translation",
    "generation",
    "translation_speed",
    "constrained",
    "evaluation",
    "adapters",
    "compression",
    "rounding",
    "recovery",
    "large",
    "serving",
    "comparisons",
    "advice",
    "explanations",
    "export",
    "attacks",
    "defences",
    "guarding",
    "canaries",
)


def main() -> int:
    """Run the benchmarks named, or all; fail if one does."""
    failed = [
        name
        for name in sys.argv[1:] or NAMES
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", "--save"]).returncode
    ]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
