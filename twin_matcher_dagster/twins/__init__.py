"""Long-lost twins: visitors who look alike, and agreed to be told of one another."""
