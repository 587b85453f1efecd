"""Twin Matcher: find a person's look-alike, from a video clip to a production release."""
