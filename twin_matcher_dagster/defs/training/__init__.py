"""The merged data set and the model trained on it."""
