"""Outside services, spoken to over real HTTP on loopback."""
