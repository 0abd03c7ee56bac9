"""The command line: a group whose commands load when they are called, and the one place where errors become a line."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO

import click

from convcli import __version__
from convcli.batch.workers import interrupts
from convcli.cli.layout import Group
from convcli.errors import LONGEST_PART, ConvcliError, KernelError, printable, reason, shortened

if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # without the enumerations around it
#: Command -> (module, one line of help). The line stands here so that --help loads no command.
COMMANDS = {
    "apply": ("convcli.cli.apply", "Filter images or arrays with one kernel or a chain of them."),
    "compare": ("convcli.cli.compare", "Compare what kernels, layers and networks cost."),
    "diff": ("convcli.cli.diff", "Tell how much two pictures or arrays differ."),
    "draw": ("convcli.cli.draw", "Draw what kernels are, where they read, and what they do."),
    "import": ("convcli.cli.import_network", "Make a network file of an ONNX model."),
    "list": ("convcli.cli.list", "List the kernels, or those about a word."),
    "man": ("convcli.cli.man", "Show the manual: every command with all of its options."),
    "show": ("convcli.cli.show", "Show what a kernel is, does and costs."),
    "completion": ("convcli.cli.completion", "Print a script that completes commands and kernels in a shell."),
    "help": ("convcli.cli.help", "Print the help of a command."),
    "schema": ("convcli.cli.schema", "Print the JSON Schema of kernel files, network files or reports."),
}


class Commands(Group):
    """A group that imports a command's module only when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]  # `list` is the name of a module here

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.exceptions.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def sentences(self, ctx: click.Context) -> Sequence[tuple[str, str]]:
        return [(name, line) for name, (_, line) in COMMANDS.items()]


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["--help"]},
    epilog="Kernels: a name from 'convcli list', a YAML file, or YAML text; 'gaussian:sigma=3' overrides a field.",
)
@click.version_option(__version__, "-V", "--version", message="convcli %(version)s")
def group() -> None:
    """Every type of convolution kernel, on real images, from the shell.

    \b
    convcli apply photo.jpg -k sharpen -o sharp.jpg
    convcli apply photos/*.jpg -k gaussian:sigma=2 -k sharpen -o out/
    convcli list
    convcli show gaussian:sigma=3
    """


class Terminated(BaseException):
    """A signal arrived that ends the run, but Ctrl-C; open files are cleaned up on the way out."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__()
        self.code = 128 + number


def _stop(before: Mapping[int, Any], number: int, frame: FrameType | None) -> None:
    """Ends the run with what is open cleaned up; a second signal ends it at once, as `before`."""
    for other, handler in before.items():
        signal.signal(other, handler)
    interrupts.raise_in(frame, KeyboardInterrupt() if number == signal.SIGINT else Terminated(number))


def main(failure: OSError | None = None) -> None:
    """Runs the command line and exits: 0 done, 1 an input failed, 2 wrong usage or kernel, 128 + N on signals.

    With a `failure` its answer could not be written, and that is told instead.
    """
    present = {number: signal.getsignal(number) for number in interrupts.ending()}
    before = {number: handler for number, handler in present.items() if handler is not signal.SIG_IGN}
    try:
        for number in before:
            signal.signal(number, partial(_stop, before))
        interrupts.insist_on(KeyboardInterrupt, Terminated)
        code = run(sys.argv[1:], failure)
        interrupts.ignore()
    except KeyboardInterrupt:  # before anything was begun, or so late that all was done
        code = 130
    except Terminated as error:
        code = error.code
    try:
        sys.stdout.flush()
    except OSError:
        # Told already; Python must not try again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    # All is written and closed: taking the interpreter and its libraries down first would only take time.
    os._exit(code)


def run(arguments: list[str], failure: OSError | None = None) -> int:
    """Runs the command line on `arguments`, or tells of the `failure` to do so, and returns the exit code."""
    try:
        if failure:
            raise failure
        code = group.main(arguments, prog_name="convcli", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except ConvcliError as error:
        return _refused(error, arguments)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.ClickException as error:
        return _usage(error, arguments)
    except (click.Abort, KeyboardInterrupt) as error:
        _stopped(arguments, error.__cause__ or error)
        return 130
    except Terminated as error:
        _stopped(arguments, error)
        return error.code
    except RuntimeError as error:
        # Python before 3.12 wraps what a signal's handler raises while a class is made.
        if not isinstance(error.__cause__, KeyboardInterrupt | Terminated):
            raise
        _stopped(arguments, error.__cause__)
        return error.__cause__.code if isinstance(error.__cause__, Terminated) else 130
    except MemoryError:
        _say("Error: not enough memory")
        return 1
    except ImportError as error:
        from convcli.pictures.opencv import unusable

        _say(f"Error: {printable(str(unusable(error)))}")
        return 1
    except (BrokenPipeError, SystemExit):  # click's end where a pipe was closed
        if not _unread(sys.stdout):
            return 1
        # The reader has what it wanted; keep Python from complaining about the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        _say(f"Error: {printable(shortened(_os_error(error)))}")
        return 1


def _stopped(arguments: list[str], error: BaseException) -> None:
    """The last word on a run that was stopped: of one that is recorded, the line that goes on with it.

    What is to be added to the line for that stands in the error's notes.
    """
    _say("Stopped.")
    notes = getattr(error, "__notes__", None)
    if notes is not None:
        import shlex

        line = shlex.join(["convcli", *arguments, *filter(None, notes)])
        if len(line) > LONGEST_PART:  # names that a shell has put in
            line = " ".join(["the same line", *(f"with {note}" for note in filter(None, notes))])
        _say(f"  hint: goes on from there: {printable(line)}")


def _unread(stream: TextIO) -> bool:
    """Whether a stream is a pipe that nobody reads any more."""
    import select

    if not hasattr(select, "poll"):  # not on Windows, where such a pipe is another error
        return True
    poll = select.poll()
    poll.register(stream, 0)
    return bool(poll.poll(0))


def _refused(error: ConvcliError, arguments: list[str]) -> int:
    """Tells of an error, with a command line that holds for what is called otherwise here; the exit code."""
    if isinstance(error, KernelError) or arguments[:1] != ["apply"]:  # which tells of its inputs one by one
        from convcli.cli import repair

        with contextlib.suppress(ConvcliError):
            _, line = repair.repaired(arguments, error, group)
            if line is not None and len(repair.typed(line)) <= LONGEST_PART:
                error.hint = repair.typed(line)
    _say(f"Error: {printable(str(error))}")
    return error.exit_code


def _usage(error: click.ClickException, arguments: list[str]) -> int:
    """Tells of wrong usage, why where that is known, and what to type instead; the exit code."""
    from convcli.cli import repair

    try:
        reason, line = repair.repaired(arguments, error, group) if isinstance(error, click.UsageError) else ("", None)
    except ConvcliError as worse:  # what can't be put right is told first
        _say(f"Error: {printable(str(worse))}")
        return worse.exit_code
    # Not with what click thinks is near.
    near = isinstance(error, click.NoSuchOption | click.exceptions.NoSuchCommand)
    message = " ".join((error.message if near else error.format_message()).split())
    message = shortened(message[:1].lower() + message[1:].rstrip("."))
    _say(f"Error: {printable(f'{message}; {reason}' if reason else message)}")
    context = getattr(error, "ctx", None)
    if line is not None and len(repair.typed(line)) <= LONGEST_PART:
        _say(f"  hint: {printable(repair.typed(line))}")
    elif context is not None:
        _say(f"  hint: {context.command_path} --help")
    return error.exit_code


def _os_error(error: OSError) -> str:
    return f"{error.filename}: {reason(error)}" if error.filename else reason(error)


def _say(text: str) -> None:
    try:
        click.echo(text, err=True)
    except OSError:
        # Nobody reads stderr: the exit code still tells.
        return
