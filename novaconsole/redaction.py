"""What must not be shown: console tokens, and control characters of others.

Every message, log record and recording passes through here.  Names and reasons come
from the cloud, the proxy and the guest.  If they were printed unchanged, they could
reveal a token or control the user's terminal.
"""

import re

# "token=" in a query, plain or encoded inside another one (`path=%3Ftoken%3D`).
# A parenthesis around the URL is not part of the value.
_TOKEN = re.compile(
    r"(token(?:=|%3D))[^&\s\"'#\\]+?(?=\)?(?:[&\s\"'#\\]|$))", re.IGNORECASE
)
# The password in `scheme://user:password@host`.
_USERINFO = re.compile(r"(://[^\s/?#@:\"']*:)[^\s/?#\"']+(?=@)")
# C0 and C1 controls, line separators, and what changes the writing direction.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def mask_tokens(text: str) -> str:
    """Return the text with `***` in place of tokens, and of passwords in URLs."""
    return _USERINFO.sub(r"\1***", _TOKEN.sub(r"\1***", text))


def printable(text: str) -> str:
    """Return the text with its control characters as escapes of two or four digits."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
