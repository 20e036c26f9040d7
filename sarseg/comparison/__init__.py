"""Methods and baselines under the same data, budget and seeds, and one table of what came out."""
