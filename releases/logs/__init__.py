"""Step logs: masked, stored as compressed pieces, streamed to whoever watches."""
