"""The prediction page."""
