"""What is wrong with a certificate, and what to do about it, by OpenSSL's code.

The same words for the websocket and for the cloud, whose TLS is another library's.
"""

# OpenSSL's X509_V_ERR_… codes (openssl/x509_vfy.h).
_NOT_YET_VALID, _EXPIRED = 9, 10
_SELF_SIGNED = (18, 19)
_WRONG_HOST = (62, 64)
# OpenSSL's reasons for a response that is not TLS.
NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")


def certificate_problem(code: int | None, host: str, address: str) -> tuple[str, str]:
    """Return what is wrong with a certificate, and a hint.

    Args:
        code: why it was refused, or None for its host.
        host: that it should be valid for.
        address: host and port of the server that presented it.
    """
    if code == _EXPIRED:
        hint = (
            "check this machine's clock, then tell the cloud's operator; --insecure "
            "connects anyway"
        )
        return f"the certificate of {address} has expired", hint
    if code == _NOT_YET_VALID:
        return (
            f"the certificate of {address} is not valid yet",
            "check this machine's clock",
        )
    if code is None or code in _WRONG_HOST:
        hint = (
            "tell the cloud's operator that this host is not in the certificate, or "
            "use the name that is in it"
        )
        return f"the certificate of {address} is not valid for {host}", hint
    problem = "is self-signed" if code in _SELF_SIGNED else "is from an unknown issuer"
    return (
        f"the certificate of {address} is not trusted: it {problem}",
        "give the cloud's CA with --cacert, or cacert in clouds.yaml",
    )
