"""Pixels in, faces out: detection, alignment, quality, and who is who in a clip."""
