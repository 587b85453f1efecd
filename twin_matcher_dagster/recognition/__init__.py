"""The model: fine-tuning, embedding, evaluation, index, similarity."""
