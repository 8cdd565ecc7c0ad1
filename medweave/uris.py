"""URIs that may hold a password, as messages and results show them."""

import re


def without_credentials(text: str) -> str:
    """The text with the user and the password taken out of each URI in it: `a://user:word@host/b` is `a://host/b`."""
    return re.sub(r"(?<=://)[^/\s'\"]*@", "", text)
