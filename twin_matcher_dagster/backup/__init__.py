"""Copies of the bucket elsewhere, made while everything runs, and back, without the erased."""
