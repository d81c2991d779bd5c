"""A small runbook for tests, and a way to break it."""

SMALL = """\
kind: deploy
title: {ko: 작은 배포, en: Small}
variables:
  - name: db_name
    type: identifier
  - name: token
    type: secret
checklist:
  - key: go
    title: {en: Ready}
steps:
  - key: stop
    title: {ko: 중단}
    role: DevOps
    phase: stop
    action: shell
    runs_on: app
    parameters:
      command: stop {db_name}
    estimate: 1m
    opens_downtime: true
  - key: start
    title: {ko: 시작}
    role: DevOps
    phase: replace
    action: shell
    runs_on: app
    parameters:
      command: |
        start one
        start {db_name} --key {token_file}
    estimate: 2m
    timeout: 3m
    closes_downtime: true
"""


def broken(old: str, new: str) -> str:
    """The small runbook with one text replaced; it must be there."""
    assert old in SMALL
    return SMALL.replace(old, new, 1)
