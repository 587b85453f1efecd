"""Bytes at rest: the object store, its key layout, write-once manifests, uploads."""
