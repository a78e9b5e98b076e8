"""The backend process: questions, events, leases and one scheduler behind a unix socket."""
