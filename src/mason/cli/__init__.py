"""The command line: parse, call a workflow, print. torch is imported when it is needed."""

from mason.cli.main import main

__all__ = ["main"]
