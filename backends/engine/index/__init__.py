"""Indexes: what is computed once and kept on disk, so that a ranking or a search answers at once."""
