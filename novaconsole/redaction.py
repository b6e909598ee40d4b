"""What must not be shown: tokens and passwords of URLs, and others' control characters.

Every message, log record and recording passes through here.  Names and reasons come
from the cloud, the proxy and the guest.  If they were printed unchanged, they could
reveal a token or control the user's terminal.
"""

import re

# "token=" in a query, plain or encoded inside other ones (`path=%3Ftoken%3D`).
# A parenthesis around the URL is not part of the value.  "…" is a hint of ours.
_END = r"(?=\)?(?:[&\s\"'#\\]|$))"
_TOKEN = re.compile(
    rf"(token(?:=|%(?:25)*3D))(?!…{_END})[^&\s\"'#\\]+?{_END}", re.IGNORECASE
)
# What comes before user and password in a URL: plain, with the slashes escaped (JSON),
# or encoded inside a query.  And what they can be part of.
_SCHEME_END = re.compile(r":(?:\\?/){2}|%(?:25)*3A(?:%(?:25)*2F){2}", re.IGNORECASE)
_REST_OF_URL = re.compile(r"[^\s\"<>]{0,1024}")
_AT = re.compile(r"@|%(?:25)*40")
_AUTHORITY_END = re.compile(r"[/?#\\]|%(?:25)*(?:2F|3F|23)", re.IGNORECASE)
_PORT = re.compile(r"\d*")
_EXAMPLE = "USER:PASSWORD"  # of a hint of ours
# C0 and C1 controls, line separators, and what changes the writing direction.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def mask_tokens(text: str) -> str:
    """Return the text with `***` in place of tokens, and of the logins in URLs."""
    return _mask_logins(_TOKEN.sub(r"\1***", text))


def _mask_logins(text: str) -> str:
    pieces, done = [], 0
    for scheme in _SCHEME_END.finditer(text):
        start = scheme.end()
        if start < done:
            continue
        length = _login_length(_REST_OF_URL.match(text, start)[0])  # type: ignore[index]
        if length and text[start : start + length] != _EXAMPLE:
            pieces += [text[done:start], "***"]
            done = start + length
    return "".join([*pieces, text[done:]])


def _login_length(rest: str) -> int:
    """How much of a URL, after its scheme, is user and password; 0 for nothing."""
    ats = [match.start() for match in _AT.finditer(rest)]
    if not ats:
        return 0
    end = _AUTHORITY_END.search(rest)
    authority = rest[: end.start()] if end else rest
    inside = [at for at in ats if at <= len(authority)]
    if inside:
        return inside[-1]
    # A password may hold a "/" that ought to be encoded; then no port is before it.
    _, colon, port = authority.partition(":")
    is_login = colon and not authority.startswith("[") and not _PORT.fullmatch(port)
    return ats[-1] if is_login else 0


def printable(text: str) -> str:
    """Return the text with its control characters as escapes of two or four digits."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
