"""The errors that are the user's to mend."""

__all__ = ["UserError"]


class UserError(ValueError):
    """Bad input: the message is one full sentence that says what, where and what was expected. The command line prints
    it without a traceback."""
