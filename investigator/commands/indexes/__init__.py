"""The kinds of index: each a module with HELP, `add` and `run`, made by a child of a backend."""
