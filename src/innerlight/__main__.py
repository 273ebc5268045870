"""`python -m innerlight` is the command line."""

from innerlight.cli import main

if __name__ == "__main__":
    main()
