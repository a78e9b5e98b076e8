"""The lab notebook: SQLite store, search and export."""
