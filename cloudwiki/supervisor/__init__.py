"""Start, watch and stop all processes of Cloud Wiki on one machine."""
