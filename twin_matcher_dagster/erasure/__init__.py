"""Taking people out again, proving it, and what is kept for how long."""
