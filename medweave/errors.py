"""The two ways a command can fail, each told in one line: what, where, what to do; and one line of any error."""


class InputError(Exception):
    """The input or the configuration is wrong and the user can mend it (exit status 2)."""


class RunError(Exception):
    """The input was fine but the run failed (exit status 1)."""


def first_line(error: BaseException) -> str:
    """The first line of an error's text that says something, or the name of its class when there is none."""
    return next((line for line in map(str.strip, str(error).splitlines()) if line), type(error).__name__)
