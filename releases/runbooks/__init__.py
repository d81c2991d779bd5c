"""The YAML format of procedures: its schema, its loader, and the plans made from it."""
