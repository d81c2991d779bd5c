"""Graphics cards that others rent to us: what a provider can do, RunPod, and a server of our own. Knows no Django."""
