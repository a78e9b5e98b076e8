"""Backends on other machines, reached with the system's OpenSSH: one socket forwarded, no port opened."""
