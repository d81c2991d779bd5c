"""Answers of hosts as they came, of the tools of Debian 12 and of BusyBox 1.35, cut down to a few processes."""

from typing import Final

MARK: Final = "m4rk"

_COUNTERS: Final = {
    "cpus": "4",
    "boot": "241e948e-f221-4de0-9e52-661543858b59",
    "uptime": "52772.40 54579.78",
    "load": "1.00 0.60 1.08 3/116 1722",
    "cpu_before": "cpu  3496262 177715 1292485 5457978 46807 0 18732 3047 0 0",
    "ticks_before": "1 4304 38613\n510 100 20\n511 4 0\n600 900 100\n701 10 5\n702 20 5\n",
    "cpu_after": "cpu  3496362 177715 1292505 5458658 46807 0 18732 3047 0 0",
    "ticks_after": "1 4304 38614\n510 108 22\n511 4 0\n600 960 120\n701 12 5\n702 20 5\n1722 1 1\n",
    "memories": (
        "Pid:\t1\nVmRSS:\t   20136 kB\nRssAnon:\t   13744 kB\nRssFile:\t       8 kB\nRssShmem:\t    6384 kB\n"
        "Pid:\t2\n"
        "Pid:\t510\nVmRSS:\t    9000 kB\nRssAnon:\t    4000 kB\nRssFile:\t    5000 kB\nRssShmem:\t       0 kB\n"
        "Pid:\t511\nVmRSS:\t    7000 kB\nRssAnon:\t    2500 kB\nRssFile:\t    4500 kB\nRssShmem:\t       0 kB\n"
        "Pid:\t600\nVmRSS:\t 1800000 kB\nRssAnon:\t 1780000 kB\nRssFile:\t   20000 kB\nRssShmem:\t       0 kB\n"
        "Pid:\t701\nVmRSS:\t  160000 kB\nRssAnon:\t   10000 kB\nRssFile:\t   20000 kB\nRssShmem:\t  130000 kB\n"
        "Pid:\t702\nVmRSS:\t  150000 kB\nRssAnon:\t   12000 kB\nRssFile:\t   18000 kB\nRssShmem:\t  120000 kB\n"
    ),
    "shares": "/proc/510/smaps_rollup:Pss:           5200 kB\n/proc/511/smaps_rollup:Pss:           3300 kB\n",
    "units": (
        "/proc/1/cgroup:0::/init.scope\n/proc/2/cgroup:0::/\n/proc/510/cgroup:0::/system.slice/nginx.service\n"
        "/proc/511/cgroup:0::/system.slice/nginx.service\n/proc/600/cgroup:0::/system.slice/spring-boot.service\n"
        "/proc/701/cgroup:0::/system.slice/system-postgresql.slice/postgresql@16-main.service\n"
        "/proc/702/cgroup:9:name=systemd:/system.slice/system-postgresql.slice/postgresql@16-main.service\n"
    ),
}
DEBIAN: Final = {
    **_COUNTERS,
    "memory": (
        "               total        used        free      shared  buff/cache   available\n"
        "Mem:     16000000000   892080128 22002606080    47689728  2808979456  9000000000\n"
        "Swap:              0           0           0"
    ),
    "disk /": (
        "Filesystem     1024-blocks     Used Available Capacity Mounted on\n"
        "/dev/vda         264212084 29717464  76673448      28% /"
    ),
    "processes": (
        "    1 root                             /sbin/init\n"
        "    2 root                             [kthreadd]\n"
        "  510 root                             nginx: master process /usr/sbin/nginx -g daemon on;\n"
        "  511 www-data                         nginx: worker process\n"
        "  600 deploy                           /usr/bin/java -Xmx1g -jar /app/backend/app.jar\n"
        "  701 postgres                         postgres: 16/main: checkpointer \n"
        "  702 postgres                         postgres: 16/main: shop shop [local] idle\n"
    ),
    "database": "",
}
BUSYBOX: Final = {
    **_COUNTERS,
    "memory": (
        "              total        used        free      shared  buff/cache   available\n"
        "Mem:    16000000000   345944064 22068482048    47624192  2862075904  9000000000\n"
        "Swap:             0           0           0"
    ),
    "disk /": (
        "Filesystem           1024-blocks    Used Available Capacity Mounted on\n"
        "/dev/vda             264212084  29717464  76673448  28% /"
    ),
    "processes": (
        "PID   USER     COMMAND\n"
        "    1 root     /sbin/init\n"
        "    2 root     [kthreadd]\n"
        "  510 root     nginx: master process /usr/sbin/nginx -g daemon on;\n"
        "  511 www-data nginx: worker process\n"
        "  600 deploy   /usr/bin/java -Xmx1g -jar /app/backend/app.jar\n"
        "  701 postgres postgres: 16/main: checkpointer\n"
        "  702 postgres postgres: 16/main: shop shop 10.0.0.5(40212) idle\n"
    ),
}


def as_printed(answers: dict[str, str]) -> str:
    """What arrives by SSH."""
    parts = (f"{MARK} begin {name}\n{text}\n\n{MARK} end 0 {name}\n" for name, text in answers.items())
    return "".join(parts)
