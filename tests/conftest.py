"""Rules for the tests.

- Loopback only, port 0, real sockets, ptys, signals and TLS; no mock of what is tested.
- No sleep to let something happen: wait for it, within a bound.
- Whoever starts a process or a server ends it.
"""
