"""The two web pages that people see, and what they are made of."""
