"""Known last words of programs become a sentence with its mend."""

import pytest
from django.utils.translation import override

from releases.actions.explain import explain_tail


@pytest.mark.parametrize(
    ("tail", "said"),
    [
        (b"sudo: a password is required\n", "NOPASSWD"),
        (b"sudo: a terminal is required to read the password; either use -S\nsudo: a password is required", "NOPASSWD"),
        (b"deploy is not in the sudoers file.\n", "deploy may not use sudo"),
        (b"sh: 1: cannot open /dev/tty: No such device or address\n", "there is none"),
        (b"copying\nOverwrite all? [y/N] ", "It asked “Overwrite all? [y/N]”"),
        (b"Password for git: ", "It asked “Password for git:”"),
        (b"Really (yes/no)? ", "It asked “Really (yes/no)?”"),
        (b"cp: error writing 'x': No space left on device\n", "The disk is full"),
        (b"sh: 3: pm2: not found\n", "pm2 is not installed"),
        (b"bash: line 1: gradlew: command not found\n", "gradlew is not installed"),
        (b"/bin/sh: 1: cd: can't cd to /app/x\n", "/app/x is not there"),
        (b"cat: /etc/shadow: Permission denied\n", "cat: /etc/shadow"),
        (b"git@github.com: Permission denied (publickey).\n", "SSH login"),
        (b"Failed to start x.service: Unit spring-boot.service not found.\n", "spring-boot.service does not exist"),
        (b"\x1b[31mls: cannot access '/x': No such file or directory\x1b[0m\r\n", "/x"),
        (b"all went well\n", ""),
        (b"\xff\xfe\x00", ""),
    ],
)
def test_it_knows(tail: bytes, said: str) -> None:
    with override("en"):
        found = explain_tail(tail, 1)
    assert said in found if said else found == ""


def test_a_killed_process_is_explained_by_its_exit_code() -> None:
    with override("en"):
        assert "137" in explain_tail(b"", 137)
        assert "signal from outside" in explain_tail(b"", 143)


def test_only_the_end_of_a_huge_log_is_read() -> None:
    assert explain_tail(b"sudo: a password is required\n" + b"x" * 100_000, 1) == ""
