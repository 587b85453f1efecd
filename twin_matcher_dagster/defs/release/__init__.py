"""The face index and the release that the pages read."""
