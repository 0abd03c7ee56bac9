"""The command `convcli`, also as `python -m convcli`, and what its process does before it loads anything else."""

from __future__ import annotations

import gc
import os
import sys

from convcli.answers import answer

TYPE_CHECKING = False  # as type checkers know it without `typing`, which no answer needs
if TYPE_CHECKING:
    import signal
    from types import FrameType
else:
    import _signal as signal  # `signal` only puts enumerations around it, which take longer to load than an answer

#: The signals that end a run.
ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")


def main() -> None:
    """Runs the command line and exits. Signals are obeyed from here on: Ctrl-C while modules load is no traceback."""
    for number in [getattr(signal, name) for name in ENDING if hasattr(signal, name)]:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as in `nohup`, or `&` of a script
            signal.signal(number, leave)
    failure = None
    text = answer(sys.argv[1:])
    if text is not None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
            os._exit(0)
        except OSError as error:  # no reader, no room: told as everywhere
            failure = error
    # Loading makes 40,000 objects that all stay, and by default Python looks through them for garbage every 700:
    # then an `apply` of 0.18 s takes 4.7 % longer (median of 65 pairs of runs, on 64x64 pixels and samples/scene.jpg).
    gc.set_threshold(100_000)
    # Our threads share the work; threads of OpenBLAS's own would be started with numpy and then wait in vain.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # As numpy sets it for a moment where it isn't set: while a thread loads libraries, which look into the environment
    # as they start, nothing may change that: on a busy machine one run of some hundred ended in a crash.
    os.environ.setdefault("OPENBLAS_MAIN_FREE", "1")
    from convcli import start
    from convcli.loading import OF_COMMANDS, without

    start.open_standard_streams()  # before a thread of ours opens files, too
    start.find_modules()
    if sys.version_info < (3, 12) and sys.implementation.name == "cpython":
        # As from 3.12 on: before, the module first defines all of it in Python.
        sys.modules.setdefault("datetime", __import__("_datetime"))
    with without(OF_COMMANDS):
        if start.will_filter(sys.argv[1:]):
            start.settle_environment()
            start.load_libraries()
        import pathlib  # noqa: F401

        from convcli import cli

    cli.main(failure)


def leave(number: int, frame: FrameType | None) -> None:
    """Ends the process at once, with the exit code of the signal: there is nothing to clean up, or no time for it."""
    try:
        os.write(2, b"Stopped.\n")
    finally:  # also where the terminal is gone
        os._exit(128 + number)


if __name__ == "__main__":  # and not where a process of ours loads it again
    main()
