"""The bounds of a backend: what one client may send, what is kept, how long."""

from __future__ import annotations

REQUEST_BYTES = 8 * 2**20
"""Bytes of one request: ten thousand sentences of one's own fit many times over."""
PROMPT_CHARACTERS = 200_000
"""Characters of a prompt; the model's context is checked by the engine, this only guards its tokenizer."""
QUESTIONS_PER_CLIENT = 64
"""Questions of one client that have not ended."""
QUESTIONS = 1024
"""Questions of all clients together that have not ended: names of clients are free, memory is not."""
STARTED = 4
"""Questions of equal priority begun and not ended in the model lane; each holds key/value states."""
FAST_THREADS = 2
"""Threads that answer what is already captured; with two, one slow capture delays nobody else."""
KEPT_BYTES = 64 * 2**20
"""Bytes of all events kept until acknowledged."""
KEPT_QUESTIONS = 512
"""Ended questions kept until acknowledged."""
QUESTION_BYTES = 16 * 2**20
"""Bytes of one question's events; beyond, its oldest progress and rows go first (a result is complete alone)."""
LONGEST_LEASE = 24 * 3600.0
"""Seconds of the longest lease."""
STARTUP_GRACE = 30.0
"""Seconds that a backend waits for its first client, where its linger is shorter."""
HEARTBEAT = 10.0
"""Seconds between blank lines on a quiet stream, by which a client knows that the link lives."""
WAIT = 20.0
"""Seconds that a handshake waits for the engine before it answers `loading`."""
LAST_WORDS = 0.5
"""Seconds between a device's loss and the end of the process, in which the questions it cost are told of it."""
POLL = 0.05
"""Seconds between looks at a child's file of events."""
NICENESS = 5
"""How much lower the model thread and its pool run than the threads that answer (Linux)."""
SWITCH = 0.0005
"""Seconds after which a thread asks for the interpreter; the default of 5 ms is a quarter of the promised 20."""
