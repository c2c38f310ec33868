"""``python -m mason``: the command line, for a Python without its scripts on the path."""

from mason.cli import main

if __name__ == "__main__":
    main()
