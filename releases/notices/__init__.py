"""What people are told of: announcements and their states, the words of each kind, the outbox, the ways out."""
