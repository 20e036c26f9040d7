"""Every error a user can meet, with its exit code.

A message is one or more sentences: they name the file, what was found, what was expected and what
to do. The command line prints the message alone, without a traceback, and exits with the code.

======  ==============================================================
code    meaning
======  ==============================================================
0       success
1       a defect of sarseg itself (a traceback is printed)
2       the command line is wrong: unknown option, missing argument
3       an input cannot be used: missing, unreadable, wrong content
4       an output cannot be written: exists, no folder, disk full
5       the model cannot be used, or does not fit the scene
6       the training data cannot be used
7       done, but for parts that could not be read (``--allow-missing``)
130     interrupted (Ctrl-C)
======  ==============================================================
"""

INCOMPLETE = 7
"""Exit code of what was done but for parts that could not be read, as the user allowed."""


class SarsegError(Exception):
    """An error with a sentence for the user; never raised itself, only its kinds below."""

    exit_code = 1


class UsageError(SarsegError):
    """The options given contradict each other or make no sense."""

    exit_code = 2


class InputError(SarsegError):
    """An input file is missing, unreadable or holds something else than expected."""

    exit_code = 3


class EmptySceneError(InputError):
    """A scene holds no pixel to work on: nothing is wrong with it, and there is nothing to make."""


class OutputError(SarsegError):
    """An output cannot be written where the user wants it."""

    exit_code = 4


class ModelError(SarsegError):
    """A model or its backbone cannot be used, or does not fit the scene."""

    exit_code = 5


class DatasetError(SarsegError):
    """The training data are incomplete, inconsistent or empty."""

    exit_code = 6
