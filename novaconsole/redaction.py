"""What must not be shown: console tokens and control characters of others.

Every message, log record and recording passes through here.  Names and reasons come
from the cloud, the proxy and the guest; printed as they are, they could give a token
away or drive the user's terminal.
"""

import re

# "token=" as it stands in a query, or encoded inside one (`path=%3Ftoken%3D`).
# A parenthesis around the URL is left alone.
_TOKEN = re.compile(
    r"(token(?:=|%3D))[^&\s\"'#\\]+?(?=\)?(?:[&\s\"'#\\]|$))", re.IGNORECASE
)
# C0 and C1 controls, line separators, and what changes the writing direction.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def mask_tokens(text: str) -> str:
    """The text with the value of everything that looks like a token hidden."""
    return _TOKEN.sub(r"\1***", text)


def printable(text: str) -> str:
    """The text with control characters spelled out.

    Names and messages come from the cloud, the proxy and the guest; printed as they
    are they could drive the user's terminal.
    """
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
