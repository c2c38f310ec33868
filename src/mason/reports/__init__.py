"""One HTML page and one model card a run, both pure functions of ``results.json``."""

from mason.reports.card import write_card
from mason.reports.page import render, write_report
from mason.reports.schema import Results
from mason.reports.validation import validate

__all__ = ["Results", "render", "validate", "write_card", "write_report"]
