"""Each check of a host shown red and green on a real systemd host, by really making it so. One host for all of them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import LazySettings
from django.utils.translation import override

from releases.engine import clock, host_looks
from releases.models import Host, Probe
from releases.risks import consent, looking
from releases.risks.finding import Finding
from releases.risks.registry import by_kind
from releases.risks.ways import Ways
from tests.engine.sshd import wait_for
from tests.factories import World, make_world
from tests.host.machine import Machine

pytestmark = pytest.mark.django_db
LOOKS = {"ports": [5432], "folders": ["/app"], "files": [], "units": ["probe-me"]}


@pytest.fixture(scope="module")
def machine(host_support: None) -> Iterator[Machine]:
    """A bare host: no release runs there."""
    with Machine() as host:
        yield host


@pytest.fixture
def world(machine: Machine, settings: LazySettings) -> World:
    """The host with its checks switched on by a person who read them."""
    settings.SSH_KEY_FILE = machine.private_key
    made = make_world()
    values = {"address": machine.address, "port": machine.port, "user": machine.user, "host_key": machine.host_key}
    Host.objects.filter(pk=made.host.pk).update(**values)
    switch_on(made)
    return made


def switch_on(world: World, **looks: list[object]) -> None:
    from releases.audit import Actor

    host = Host.objects.select_related("environment__project").get(pk=world.host.pk)
    host_looks.set_looks(host, Actor(world.requester), LOOKS | looks)
    host = Host.objects.select_related("environment__project", "looks").get(pk=world.host.pk)
    host_looks.switch_on(host, world.requester, Actor(world.requester), consent.digest_of(host))


def look(world: World, kind: str) -> Finding:
    check = by_kind()[kind]
    (target,) = check.targets(world.project)
    ways = Ways(clock.now())
    try:
        return looking.look(check, target, ways)
    finally:
        ways.close()


def told(finding: Finding) -> str:
    with override("en"):
        return "\n".join([str(finding.said), *(f"{one.label}: {one.value}" for one in finding.evidence)])


def root(machine: Machine, script: str) -> str:
    """Run shell text as root there."""
    return machine.run("sudo sh -eu", script.encode()).stdout.decode()


@contextmanager
def sshd_set(machine: Machine, *lines: str) -> Iterator[None]:
    path = "/etc/ssh/sshd_config.d/00-test.conf"
    root(machine, f"printf '%s\\n' {' '.join(repr(line) for line in lines)} >{path}; systemctl reload ssh")
    try:
        yield
    finally:
        root(machine, f"rm {path}; systemctl reload ssh")


def test_the_database_port_opened_and_closed(world: World, machine: Machine) -> None:
    conf = "/etc/postgresql/17/main/conf.d/zz-test.conf"
    restart = "systemctl restart postgresql@17-main"
    root(machine, f"mkdir -p $(dirname {conf}); echo \"listen_addresses = 'localhost'\" >{conf}; {restart}")
    assert look(world, "database_port").seen == "ok", told(look(world, "database_port"))
    root(machine, f"echo \"listen_addresses = '*'\" >{conf}; {restart}")
    try:
        wait_for(lambda: b":5432" in machine.run("ss -ltn | grep -v 127.0.0.1").stdout)
        found = look(world, "database_port")
        assert found.seen == "risk", told(found)
        assert f"{machine.address}:5432: takes connections" in told(found)
    finally:
        root(machine, f"rm {conf}; {restart}")


def certificate(machine: Machine, days: int) -> None:
    """nginx shows one by an authority of the host's own, for its address."""
    folder, name = "/etc/nginx/test", f"IP:{machine.address}"
    root(
        machine,
        f"""
        mkdir -p {folder}; cd {folder}
        [ -e ca.pem ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
          -subj "/CN=Host test CA" -keyout ca.key -out ca.pem 2>/dev/null
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=host -keyout key.pem \
          -out csr 2>/dev/null
        echo "subjectAltName={name}" >extensions
        openssl x509 -req -in csr -CA ca.pem -CAkey ca.key -days {days} -extfile extensions -out own.pem 2>/dev/null
        cat >/etc/nginx/conf.d/test.conf <<'END'
server {{ listen 443 ssl; ssl_certificate {folder}/own.pem; ssl_certificate_key {folder}/key.pem; }}
END
        nginx -t 2>/dev/null; systemctl reload-or-restart nginx
        """,
    )


def test_a_certificate_near_its_end_and_the_redirect(
    world: World, machine: Machine, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = world.project.services.get()
    Probe.objects.create(environment=world.environment, service=service, url=f"https://{machine.address}/")
    trusted = tmp_path_factory.mktemp("ca") / "ca.pem"
    for days, state in ((90, "ok"), (20, "warning"), (6, "risk")):
        certificate(machine, days)
        trusted.write_bytes(machine.run("cat /etc/nginx/test/ca.pem").stdout)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        shown = wait_for(lambda days=days: _shown(machine, days))  # type: ignore[misc]
        found = look(world, "certificate")
        assert found.seen == state, f"{told(found)} {shown}"
    monkeypatch.delenv("SSL_CERT_FILE")
    found = look(world, "certificate")
    assert found.seen == "risk" and "Nobody vouches" in told(found)
    assert look(world, "https_redirect").seen == "risk", told(look(world, "https_redirect"))
    redirect = "server { listen 80 default_server; return 301 https://$host$request_uri; }"
    sites = "/etc/nginx/sites-enabled"
    root(
        machine,
        f"mv {sites} {sites}.own; mkdir {sites}; echo '{redirect}' >/etc/nginx/conf.d/redirect.conf; nginx -s reload",
    )
    try:
        wait_for(lambda: b" 301 " in machine.run("curl -sI http://localhost", check=False).stdout.splitlines()[0])
        assert look(world, "https_redirect").seen == "ok", told(look(world, "https_redirect"))
    finally:
        root(machine, f"rmdir {sites}; mv {sites}.own {sites}; rm -f /etc/nginx/conf.d/*.conf; nginx -s reload")


def _shown(machine: Machine, days: int) -> str:
    """The end of the certificate that nginx shows by now, once it is the one of so many days."""
    asked = "openssl s_client -connect localhost:443 </dev/null 2>/dev/null | openssl x509 -noout -checkend"
    ends = [machine.run(f"{asked} {day * 86400}", check=False).returncode for day in (days - 1, days + 1)]
    fits = ends == [0, 1]
    return "shown" if fits else ""


def test_root_and_passwords_at_the_ssh_login(world: World, machine: Machine) -> None:
    closed = ("PermitRootLogin no", "PasswordAuthentication no", "KbdInteractiveAuthentication no")
    cases = {
        closed: ("ok", "Neither"),
        ("PermitRootLogin yes", *closed[1:]): ("risk", "root may log in"),
        ("PermitRootLogin prohibit-password", *closed[1:]): ("warning", "with a key"),
        (closed[0], "PasswordAuthentication yes", closed[2]): ("risk", "Passwords"),
    }
    for lines, (state, words) in cases.items():
        with sshd_set(machine, *lines):
            found = wait_for(lambda words=words: (f := look(world, "ssh_login")) and words in told(f) and f)  # type: ignore[misc]
            assert found.seen == state, told(found)


def test_an_env_file_that_everybody_may_read(world: World, machine: Machine) -> None:
    machine.run("printf 'DB_PASSWORD=x\\n' >/app/backend/.env && chmod 0644 /app/backend/.env")
    found = look(world, "env_files")
    assert found.seen == "risk" and "/app/backend/.env: 644 deploy:deploy" in told(found)
    machine.run("chmod 0600 /app/backend/.env")
    assert look(world, "env_files").seen == "ok", told(look(world, "env_files"))
    machine.run("rm /app/backend/.env")


def test_a_full_disk(world: World, machine: Machine) -> None:
    root(machine, "mkdir -p /mnt/small; mount -t tmpfs -o size=4m,nr_inodes=200 small /mnt/small")
    try:
        green = look(world, "disk")
        assert "/mnt/small: 0 %" in told(green) or green.seen == "ok", told(green)
        root(machine, "head -c 4100000 /dev/zero >/mnt/small/filler")
        found = look(world, "disk")
        assert found.seen == "risk" and "/mnt/small is" in told(found)
        root(machine, "rm /mnt/small/filler; cd /mnt/small; for n in $(seq 195); do : >$n; done")
        found = look(world, "disk")
        assert found.seen == "risk" and "/mnt/small (inodes) is" in told(found)
    finally:
        root(machine, "umount -l /mnt/small")
    assert "/mnt/small" not in told(look(world, "disk"))


def test_a_service_that_does_not_come_back(world: World, machine: Machine) -> None:
    unit = "/etc/systemd/system/probe-me.service"

    def write(restart: str) -> None:
        text = (
            f"[Service]\\nExecStart=/bin/sleep infinity\\nRestart={restart}\\n[Install]\\nWantedBy=multi-user.target\\n"
        )
        root(machine, f"printf '{text}' >{unit}; systemctl daemon-reload")

    machine.run("[ -s ~/.pm2/dump.pm2 ] || { mkdir -p ~/.pm2; echo '[]' >~/.pm2/dump.pm2; }")
    assert look(world, "restart_policy").seen == "not_known"  # no such unit
    write("no")
    root(machine, "systemctl --quiet enable probe-me")
    found = look(world, "restart_policy")
    assert found.seen == "risk" and "probe-me.service: Restart=no · UnitFileState=enabled" in told(found)
    write("on-failure")
    assert look(world, "restart_policy").seen == "ok", told(look(world, "restart_policy"))
    root(machine, "systemctl --quiet disable probe-me")
    found = look(world, "restart_policy")
    assert found.seen == "risk" and "UnitFileState=disabled" in told(found)
    machine.run("mv ~/.pm2/dump.pm2 ~/.pm2/dump.kept")
    root(machine, "systemctl --quiet enable probe-me")
    assert "pm2" in told(look(world, "restart_policy")).splitlines()[0]
    machine.run("mv ~/.pm2/dump.kept ~/.pm2/dump.pm2")


@contextmanager
def running_there(machine: Machine, command: str) -> Iterator[None]:
    """A command that says `ready` and then holds on, ended by closing its stdin."""
    login = ["ssh", *machine._options(), f"{machine.user}@{machine.address}", command]
    process = subprocess.Popen(login, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout and process.stdout.readline() == b"ready\n"
        yield
    finally:
        process.communicate()


def test_a_process_that_runs_out_of_files(world: World, machine: Machine) -> None:
    opens = "for (let n = 0; n < 60; n++) require('fs').openSync('/dev/null');"
    opens += " console.log('ready'); process.stdin.resume();"
    assert look(world, "file_descriptors").seen == "ok", told(look(world, "file_descriptors"))
    with running_there(machine, f'ulimit -n 90; exec node -e "{opens}"'):
        found = look(world, "file_descriptors")
        assert found.seen in {"warning", "risk"} and "node" in told(found).splitlines()[0]


@contextmanager
def instead_of(machine: Machine, path: str, script: str) -> Iterator[None]:
    """Another file stands at `path` of the kernel's own, kept by shell text that runs as root until the end."""
    root(
        machine,
        f"""
        cp {path} /run/instead
        cat >/run/keep.sh <<'END'
{script}
END
        mount --bind /run/instead {path}
        systemd-run --quiet --unit=keep-instead sh /run/keep.sh
        """,
    )
    try:
        yield
    finally:
        root(machine, f"systemctl stop keep-instead 2>/dev/null || true; umount {path}")


def test_processor_time_that_is_stolen(world: World, machine: Machine) -> None:
    assert look(world, "cpu_steal").seen == "ok", told(look(world, "cpu_steal"))
    # Another machine can't be made to steal here, so the kernel's own count is played: 30 of 100 ticks each time.
    line = "cpu $((n * 20)) 0 0 $((n * 50)) 0 0 0 $((n * 30)) 0 0"
    grows = f'n=0; while :; do n=$((n + 1)); echo "{line}" 1<>/run/instead; sleep 0.2; done'
    with instead_of(machine, "/proc/stat", grows):
        wait_for(lambda: machine.run("head -n 1 /proc/stat").stdout.split()[2:4] == [b"0", b"0"])
        found = look(world, "cpu_steal")
        assert found.seen == "risk", told(found)


def test_memory_that_is_nearly_used_up(world: World, machine: Machine) -> None:
    assert look(world, "memory").seen == "ok", told(look(world, "memory"))
    # Filling the memory of the machine that runs the tests would end other things, so its report is played.
    small = "sed -i 's/^MemAvailable:.*/MemAvailable: 100000 kB/' /run/instead"
    root(machine, f"cp /proc/meminfo /run/instead; {small}; mount --bind /run/instead /proc/meminfo")
    try:
        found = look(world, "memory")
        assert found.seen == "risk", told(found)
    finally:
        root(machine, "umount /proc/meminfo")
