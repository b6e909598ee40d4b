"""Attach a terminal to the serial console of an OpenStack Nova server."""

__version__ = "0.1.0"
