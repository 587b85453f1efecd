"""Uploads: how one is handed in, examined, compared with everyone known, and judged."""
