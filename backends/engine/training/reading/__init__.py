"""Labels written by a reader: sheets to read from, and what becomes of the labels that come back."""
