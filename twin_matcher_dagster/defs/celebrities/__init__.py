"""The celebrity data set: raw, then balanced."""
