"""GPU endpoints as rows: their states, what they are made of, their accounts, and that they answer."""
