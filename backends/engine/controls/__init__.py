"""Controls and verdicts: what a text scores where nothing should support it, and what follows from that."""
