"""`python -m friedel` is the command `friedel`."""

from friedel.cli import main

if __name__ == "__main__":
    main()
