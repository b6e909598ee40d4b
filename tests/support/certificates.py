"""An authority of our own, with valid and invalid certificates.

The fixture `certificates` in conftest.py makes them once for the whole run.
"""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

_NAMES = ("127.0.0.1", "::1", "localhost")


class Certificates:
    """An authority, and certificates that it issued or that pretend so.

    Args:
        directory: for the files.

    Attributes:
        cacert: file with the authority's certificate.
        good: a valid certificate for loopback.
        good_pem: file with `good` and its private key.
        expired: valid until yesterday.
        not_yet_valid: valid from tomorrow on.
        wrong_host: valid for another host.
        untrusted: issued by an unknown authority.
        client_cert: file with a client certificate.
        client_key: file with its private key.
    """

    def __init__(self, directory: Path) -> None:
        now = datetime.now(UTC)
        authority = trustme.CA()
        self.cacert = directory / "ca.pem"
        authority.cert_pem.write_to_path(str(self.cacert))
        self.good = authority.issue_cert(*_NAMES)
        self.good_pem = directory / "good.pem"
        self.good.private_key_and_cert_chain_pem.write_to_path(str(self.good_pem))
        self.expired = authority.issue_cert(
            *_NAMES, not_before=now - timedelta(days=2), not_after=now - timedelta(1)
        )
        self.not_yet_valid = authority.issue_cert(
            *_NAMES, not_before=now + timedelta(days=1), not_after=now + timedelta(2)
        )
        self.wrong_host = authority.issue_cert("elsewhere.invalid")
        self.untrusted = trustme.CA().issue_cert(*_NAMES)
        client = authority.issue_cert("someone@elsewhere.invalid")
        self.client_cert = directory / "client.pem"
        self.client_key = directory / "client.key"
        for blob in client.cert_chain_pems:
            blob.write_to_path(str(self.client_cert), append=True)
        client.private_key_pem.write_to_path(str(self.client_key))
        self._authority = authority

    def server_context(self, certificate: trustme.LeafCert) -> ssl.SSLContext:
        """The context of a server that presents this certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        return context

    def demanding_context(self) -> ssl.SSLContext:
        """The context of a server that requires a client certificate."""
        context = self.server_context(self.good)
        context.verify_mode = ssl.CERT_REQUIRED
        self._authority.configure_trust(context)
        return context
