"""Which certificates to trust: the same for the cloud and for the websocket.

The first of these that is set decides: the option, the cloud's configuration, OS_CACERT
(as in python-openstackclient), the variables of requests (REQUESTS_CA_BUNDLE and
CURL_CA_BUNDLE) and of OpenSSL (SSL_CERT_FILE and SSL_CERT_DIR) together, the system's
store, the certificates of certifi.  Each may be a file or a directory.
"""

import os
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from novaconsole.errors import UsageError
from novaconsole.network.target import TLSOptions

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_STORES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
# The files that OpenSSL finds in a directory, after `openssl rehash`.
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")
_CERTIFICATES = (".pem", ".crt", ".cer")


def trusting_context(
    options: TLSOptions, environ: Mapping[str, str] = os.environ
) -> ssl.SSLContext:
    """Create a context that trusts what the options or the environment say.

    Raises:
        UsageError: a file or directory cannot be read, or holds no certificate.
    """
    if options.insecure:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if options.cacert:
        return _context_for(options.cacert_source, options.cacert)
    if environ.get("OS_CACERT"):
        return _context_for("OS_CACERT", Path(environ["OS_CACERT"]))
    named = _named_in(environ)
    if named:
        context = _context_for(*named[0])
        for name, path in named[1:]:
            _load_more(context, name, path)
        _add_openssl_defaults(context, environ)
        return context
    context = ssl.create_default_context()
    if not _trusts_any(context):
        with suppress(ImportError, OSError):
            import certifi

            context.load_verify_locations(certifi.where())
    return context


def _named_in(environ: Mapping[str, str]) -> list[tuple[str, Path]]:
    """Return what the environment names, each path once, with its variable."""
    found = {
        Path(path): name
        for name in (*_BUNDLES, *_STORES)
        for path in _paths(name, environ)
    }
    # As OpenSSL, do without a store that is not there: but not without any.
    there = [(name, path) for path, name in found.items() if path.exists()]
    missing = [(name, path) for path, name in found.items() if not path.exists()]
    return there + [one for one in missing if one[0] in _BUNDLES or not there]


def _paths(name: str, environ: Mapping[str, str]) -> list[str]:
    value = environ.get(name, "")
    paths = value.split(os.pathsep) if name == "SSL_CERT_DIR" else [value]
    return [path for path in paths if path]


def _add_openssl_defaults(context: ssl.SSLContext, environ: Mapping[str, str]) -> None:
    """Trust the other half of the system's store, if one of OpenSSL's two is set."""
    defaults = ssl.get_default_verify_paths()
    has_file, has_directory = (bool(environ.get(name)) for name in _STORES)
    with suppress(OSError):
        if has_file and not has_directory and defaults.capath:
            context.load_verify_locations(capath=defaults.capath)
        if has_directory and not has_file and defaults.cafile:
            context.load_verify_locations(cafile=defaults.cafile)


def bad_file(source: str, path: object, exc: OSError) -> UsageError:
    """Return the error for a file or directory that cannot be used.

    Args:
        source: the option or variable that names it.
        path: of it; or of them, in words.
        exc: what OpenSSL or the system said.
    """
    if not isinstance(exc, ssl.SSLError):
        reason = exc.strerror
    elif exc.reason == "KEY_VALUES_MISMATCH":
        reason = "the key does not match the certificate"
    else:
        reason = "not a PEM file"
    return UsageError(f"{source}: {path}: {reason}")


def bad_client_certificate(options: TLSOptions, exc: OSError) -> UsageError:
    """Return the error for a certificate of ours and its key that cannot be used.

    Args:
        options: that name the files.
        exc: what OpenSSL or the system said, which does not tell about which file.
    """
    assert options.cert is not None
    cert, key = options.cert, options.key or options.cert
    for what, path, setting in (
        ("certificate", cert, options.cert_source),
        ("private key", key, options.key_source),
    ):
        source = setting if path is not cert else options.cert_source
        try:
            content = path.read_bytes()
        except OSError as unreadable:
            return bad_file(source, path, unreadable)
        if b"-----BEGIN " not in content:
            return bad_file(source, path, exc)
        if f"{what.upper()}-----".encode() not in content:
            return UsageError(
                f"{source}: {path}: there is no {what} in this file",
                f"give the file of the {what} with {_setting(setting)}",
            )
    if options.key is None:
        return bad_file(options.cert_source, cert, exc)
    sources = f"{options.cert_source} or {options.key_source}"
    return bad_file(sources, f"{cert} or {key}", exc)


def _setting(source: str) -> str:
    """Return how to set what can be in clouds.yaml or in a variable."""
    name = source.removesuffix(" of the cloud")
    return f"{name} in clouds.yaml or OS_{name.upper()}" if name != source else name


def _context_for(source: str, path: Path) -> ssl.SSLContext:
    """Create a context that trusts nothing but these certificates."""
    try:
        if not path.is_dir():
            return ssl.create_default_context(cafile=path)
        context = ssl.create_default_context(capath=path)
    except OSError as exc:
        raise bad_file(source, path, exc) from exc
    _load_more(context, source, path)
    return context


def _load_more(context: ssl.SSLContext, source: str, path: Path) -> None:
    """Trust these certificates as well; what OpenSSL has found already stays so."""
    try:
        if not path.is_dir():
            context.load_verify_locations(cafile=path)
            return
        names = sorted(entry.name for entry in path.iterdir())
        if any(_HASHED.fullmatch(name) for name in names):
            context.load_verify_locations(capath=path)
            return
        files = [name for name in names if name.lower().endswith(_CERTIFICATES)]
        for name in files:
            context.load_verify_locations(cafile=path / name)
    except OSError as exc:
        raise bad_file(source, path, exc) from exc
    if not files and source not in _STORES:
        raise UsageError(
            f"{source}: {path}: no certificates in this directory",
            "give a file, or put the certificates there with names that end in .pem",
        )


def _trusts_any(context: ssl.SSLContext) -> bool:
    """Whether the system has certificates; those in its directory are loaded late."""
    if context.cert_store_stats()["x509_ca"]:
        return True
    with suppress(OSError):
        directory = ssl.get_default_verify_paths().capath
        return any(_HASHED.fullmatch(name) for name in os.listdir(directory or ""))
    return False
