"""A forked process that tries to use a journal of its parent."""

import os
import signal

from b24batch import JournalError


def exit_code_of_a_fork(journal, stream):
    """Fork, and return the exit code of the child: 0 if the journal refused it and it could close the stream."""
    if not (child := os.fork()):
        signal.alarm(30)  # ends a child that waits
        code = 1
        try:
            journal.summary()
        except JournalError as error:
            code = 0 if "opened by another process, of which this one is a copy" in str(error) else 2
        stream.close()
        if hasattr(journal, "close"):
            journal.close()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
