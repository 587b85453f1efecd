"""Who is told what matters: once a matter, and again once it is over."""
