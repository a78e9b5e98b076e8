"""Readers: whatever turns a source into a distribution over text."""
