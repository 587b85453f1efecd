"""The pairs of visitors who look alike."""
