"""Who is who: the schema of the data set, names, sources, balancing, splits, merging."""
