"""Bytes at rest: the object store, the layout of its keys, logs of records, tombstones."""
