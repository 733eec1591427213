"""A function that runs beside what comes next."""

import multiprocessing
import signal

from .errors import UserError

__all__ = ["Background"]


class Background:
    """Calls a function in a process of its own, which sees all objects as they are at this moment.

    Where the system has no `fork`, the function is called here and now.

    Parameters
    ----------
    function : callable
        Without arguments. What it returns or raises must be picklable.
    """

    def __init__(self, function):
        self._process = None
        if "fork" not in multiprocessing.get_all_start_methods():
            self._outcome = _outcome(function)
            return
        context = multiprocessing.get_context("fork")
        self._receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_send, args=(sender, function), daemon=True)
        self._process.start()
        sender.close()

    def result(self):
        """Waits for what the function returns. To be called once.

        Errors
        ------
        What the function raised; UserError if the process was ended from outside.
        """
        if self._process is not None:
            try:
                self._outcome = self._receiver.recv()
            except EOFError:
                raise UserError("a process that worked beside this one was ended from outside: "
                                "is there enough memory?") from None
            finally:
                # It has nothing to do any more, and on its way out it might wait for a lock that a thread held when it
                # was made, such as that of a progress bar.
                self._process.kill()
                self._process.join()
        value, error = self._outcome
        if error is not None:
            raise error
        return value


def _send(sender, function):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever waits for it ends it
    sender.send(_outcome(function))


def _outcome(function):
    """What a function returned, and what it raised."""
    try:
        return function(), None
    except Exception as error:
        return None, error
