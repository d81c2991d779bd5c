"""How the installation itself is: workers, leases, queue, what was forgotten. Read from PostgreSQL and Redis alone."""
