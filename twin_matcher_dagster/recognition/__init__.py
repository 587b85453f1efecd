"""What is needed to answer and to measure: the network, embeddings, the gallery, fusion."""
