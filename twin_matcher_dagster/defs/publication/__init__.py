"""What goes to the Hugging Face Hub, where a token and repositories are set."""
