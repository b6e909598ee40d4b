"""What libraries log: shown when debugging, and where the user has to act on it.

keystoneauth announces by a warning that a login is to be finished in a browser, and
openstacksdk that it does not read a file.
"""

import logging

from novaconsole.terminal.notices import NoticeHandler, Notices, Verbosity

_PROTOCOL_LOGGERS = (
    "novaconsole",
    "trio-websocket",
    "keystoneauth",
    "openstack",
    "py.warnings",
)
# Warnings that an error follows, which says it better, or that need no action.
_ASIDES = (
    "Failed to discover available identity versions",
    "Failed to contact the endpoint at",
    "Failure: %(e)s. Retrying",
    "Retriable status code",
    "Could not load",  # stevedore, of an auth_type that does not exist
)
# Who announces a login: keystoneauth's plugins, and those of other packages.
_LOGINS = ("keystoneauth.identity", "keystoneauth_", "keystoneauth1.identity")


def log_to(notices: Notices) -> None:
    """Turn what libraries log and warn of into messages.

    Args:
        notices: where they go.
    """
    logging.captureWarnings(True)
    debug = NoticeHandler(notices)
    debug.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    warn = _WarningHandler(notices)
    for name in _PROTOCOL_LOGGERS:
        logger = logging.getLogger(name)
        logger.addHandler(debug)
        if name != "py.warnings":  # Python's own are for programmers
            logger.addHandler(warn)
        logger.setLevel(notices.verbosity.log_level)
        logger.propagate = False
    # Plugins for logins may be of any package; without this, logging writes their
    # warnings to standard error by itself.
    for handler in (debug, warn):
        logging.getLogger().addHandler(handler)


class _WarningHandler(logging.Handler):
    """Says the warnings of libraries, one message for each."""

    def __init__(self, notices: Notices) -> None:
        super().__init__(logging.WARNING)
        self._notices = notices

    def emit(self, record: logging.LogRecord) -> None:
        """Say the record, without the traceback that it may have."""
        if self._notices.verbosity >= Verbosity.DEBUG:
            return  # where it is said with all the others
        try:
            text = " ".join(record.getMessage().split())
        except Exception:  # noqa: BLE001 # a record of others may be malformed
            text = str(record.msg)
        if record.name.startswith(_LOGINS) and not str(record.msg).startswith(_ASIDES):
            self._notices.answer(text)  # a question is asked when quiet as well
        else:
            is_aside = str(record.msg).startswith(_ASIDES)
            level = Verbosity.VERBOSE if is_aside else Verbosity.NORMAL
            self._notices.say(text, level)
