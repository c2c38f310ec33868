"""Models in formats that other programs run; each is proved against the model it came from.

A format is one file here and one line in ``formats.py``.
"""
