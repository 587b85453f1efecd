"""Bytes from strangers to pixels: photos, and clips decoded in a process of their own."""
