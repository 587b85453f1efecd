"""The reviewer's desk: what waits for a person, and what they decide."""
