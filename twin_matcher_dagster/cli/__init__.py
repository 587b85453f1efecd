"""The command `twin-matcher`."""
