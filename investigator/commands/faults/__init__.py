"""`evaluate faults`: real processes are cut, killed and lied to, and what is lost is counted."""
