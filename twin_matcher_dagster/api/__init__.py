"""The same answers for programs: HTTP, JSON and Python."""
