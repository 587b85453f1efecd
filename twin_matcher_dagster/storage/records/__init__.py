"""What is stored as JSON, as types: each kind of record, and what older schemas looked like."""
