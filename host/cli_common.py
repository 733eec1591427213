"""What the commands share: errors as one sentence, options, JSON."""

import functools
import json

import click
from systolith.rtl.errors import UserError

__all__ = ["as_command", "json_option", "print_json"]


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


json_option = click.option("--json", "as_json", is_flag=True, help="Print the same facts as JSON.")


def print_json(value):
    """Prints a report for other programs."""
    click.echo(json.dumps(value, indent=2))
