"""Who may do what with Dagster and the review page: the guard, the signed-in, what they did."""
