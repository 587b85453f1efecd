"""What is published on the Hugging Face Hub, and how it is taken back."""
