"""Pixels in, faces out: video, detection, alignment, quality."""
