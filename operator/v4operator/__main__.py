"""`python -m v4operator`: the same as `v4-operator`."""

from v4operator.cli import main

if __name__ == "__main__":
    main()
