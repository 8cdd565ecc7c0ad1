"""The two ways a command can fail, each told in one line: what, where, what to do."""


class InputError(Exception):
    """The input or the configuration is wrong and the user can mend it (exit status 2)."""


class RunError(Exception):
    """The input was fine but the run failed (exit status 1)."""
