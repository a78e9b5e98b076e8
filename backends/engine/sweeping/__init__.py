"""Sweeps: every token of a prompt at every layer, by any reader."""
