"""Training: when, from where, on what, how."""
