"""Tests that deploy to a real Debian host: systemd as PID 1, SSH, PostgreSQL, nginx, pm2."""
