"""From a model to what answers: the index, its comparison with the release, serving."""
