"""The doors of the pages: who is let in, by which name, how often, and what a browser may do."""
