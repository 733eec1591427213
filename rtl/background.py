"""A function that runs beside what comes next."""

import contextlib
import multiprocessing
import pickle
import signal
import traceback

from .errors import UserError

__all__ = ["Background"]


class Background:
    """Calls a function in a process of its own, which sees all objects as they are at this moment.

    Where the system has no `fork`, and in a process that may not have others, the function is called here and now.

    Parameters
    ----------
    function : callable
        Without arguments. What it returns must be picklable.
    """

    def __init__(self, function):
        self._process = None
        if "fork" not in multiprocessing.get_all_start_methods() or multiprocessing.current_process().daemon:
            self._outcome = _outcome(function)
            return
        context = multiprocessing.get_context("fork")
        self._receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_send, args=(self._receiver, sender, function), daemon=True)
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
                self._outcome = pickle.loads(self._receiver.recv_bytes())
            except (EOFError, OSError):
                raise UserError("a process that worked beside this one was ended from outside: "
                                "is there enough memory?") from None
            finally:
                self.close()
        value, error = self._outcome
        if error is not None:
            raise error
        return value

    def close(self):
        """Ends the process, whatever it does. One that has sent its result has nothing to do any more, and on its way
        out might wait for a lock that a thread held when it was made, such as that of a progress bar."""
        if self._process is not None:
            self._process.kill()
            self._process.join()


def _send(receiver, sender, function):
    # As long as it had this end itself, it would wait for ever where nobody receives any more.
    receiver.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever waits for it ends it
    value, error = _outcome(function)
    try:
        outcome = pickle.dumps((value, error))
        pickle.loads(outcome)
    except Exception as unpicklable:
        trace = "".join(traceback.format_exception(error or unpicklable))
        outcome = pickle.dumps((None, RuntimeError(trace)))
    with contextlib.suppress(BrokenPipeError):
        sender.send_bytes(outcome)


def _outcome(function):
    """What a function returned, and what it raised."""
    try:
        return function(), None
    except Exception as error:
        # The trace itself does not leave the process.
        error.add_note(traceback.format_exc())
        return None, error
