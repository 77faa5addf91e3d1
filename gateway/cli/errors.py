"""The errors of the command line.

CliError
  Problem    something the user can act on: what is wrong, and how to fix it
  Stopped    Ctrl-C or SIGTERM arrived; nothing is wrong
"""


class CliError(Exception):
    """Ends the command."""


class Problem(CliError):
    """Something the user can act on."""

    def __init__(self, what: str, fix: str) -> None:
        """`what` is a sentence about what is wrong; `fix` says what to do, in the imperative, possibly in several lines."""
        super().__init__(what)
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        """The text that the user sees: `what` and `fix`."""
        fix = self.fix.replace("\n", "\n       ")
        return f"{self.what}\n  Fix: {fix}"


class Stopped(CliError):
    """The user asked to stop."""
