"""The command `convcli`, also as `python -m convcli`."""

from __future__ import annotations

from convcli.startup import lighten


def main() -> None:
    """Runs the command line and exits."""
    lighten()
    from convcli import cli

    cli.main()


if __name__ == "__main__":  # and not where a process of ours loads it again
    main()
