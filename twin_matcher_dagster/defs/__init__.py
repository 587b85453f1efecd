"""Orchestration only, one folder per stage of the graph."""
