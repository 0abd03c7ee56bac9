"""`python -m convcli`."""

from convcli.cli import main

if __name__ == "__main__":  # and not where a process of ours loads it again
    main()
