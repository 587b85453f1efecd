"""The celebrities: sources, cleaning, a person's decisions, balancing."""
