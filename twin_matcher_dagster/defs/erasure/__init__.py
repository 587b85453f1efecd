"""Taking people out again, and old versions: what must not stay."""
