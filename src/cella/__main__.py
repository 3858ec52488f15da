"""`python -m cella` is the command `cella`."""

from cella.cli import main

if __name__ == "__main__":
    main()
