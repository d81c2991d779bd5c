"""Health checks of services, the outages they find, and the downtime clock made from them."""
