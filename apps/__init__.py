"""The two web pages that people see."""
