"""What deployments were like, as numbers: each from rows, each with the rows behind it. Reads only."""
