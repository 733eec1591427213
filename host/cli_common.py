"""What the commands share: errors as one sentence, options, JSON."""

import contextlib
import functools
import json

import click
from rich.progress import BarColumn, Progress, TextColumn
from systolith.rtl.errors import UserError

from .report import status_console

__all__ = ["DefaultGroup", "as_command", "json_option", "print_json", "progress"]


class _Failure(click.ClickException):
    """One sentence on standard error, exit code 1."""


def as_command(function):
    """Turns the project's errors, whose messages are sentences, into a failure of the command."""
    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except UserError as error:
            raise _Failure(str(error)) from None
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _Failure(f"{error.filename}: {error.strerror}") from None
    return wrapped


class DefaultGroup(click.Group):
    """Commands of which the first one added is meant where none is named."""

    def parse_args(self, ctx, args):
        """Puts the name of the default in front of other words; help alone is the group's."""
        names = list(self.commands)
        if not args or args[0] not in (*names, *ctx.help_option_names):
            args = [names[0], *args]
        return super().parse_args(ctx, args)


json_option = click.option("--json", "as_json", is_flag=True, help="Print the same facts as JSON.")


def print_json(value):
    """Prints a report for other programs."""
    click.echo(json.dumps(value, indent=2))


@contextlib.contextmanager
def progress():
    """A callable (text, done, total) that shows progress on standard error, if that is a terminal."""
    bar = Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"),
                   console=status_console, transient=True, disable=not status_console.is_terminal)
    tasks = {}

    def show(text, done, total):
        if text not in tasks:
            tasks[text] = bar.add_task(text, total=total)
        bar.update(tasks[text], completed=done)

    with bar:
        yield show
