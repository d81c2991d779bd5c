"""What hosts answer is taken apart strictly, and what is not there is never zero."""

import pytest

from releases.insights.capacity_commands import DatabaseLogin, commands, script
from releases.insights.capacity_parts import PARTS, PSS, belongs, mean, taken
from releases.insights.capacity_reading import Process, Reading, parse, sections
from releases.models import Component
from tests.unit.insights.answers import BUSYBOX, DEBIAN, MARK, as_printed


def read(answers: dict[str, str], *, by_psql: bool = False) -> Reading:
    return parse(sections(as_printed(answers), MARK), ["/"], by_psql=by_psql)


@pytest.mark.parametrize("answers", [DEBIAN, BUSYBOX], ids=["debian", "busybox"])
def test_a_whole_answer(answers: dict[str, str]) -> None:
    found = read(answers)
    assert (found.cpus, found.uptime, found.load) == (4, 52772.40, 1.08)
    assert (found.memory_total, found.memory_used) == (16_000_000_000, 7_000_000_000)
    assert found.disks == [{"path": "/", "total": (29717464 + 76673448) * 1024, "used": 29717464 * 1024}]
    assert found.cpu == pytest.approx(15.0)  # 120 of 800 ticks
    assert (found.span, found.busy) == (800, 3496362 + 177715 + 1292505 + 18732 + 3047)
    assert sorted(found.processes) == [1, 2, 510, 511, 600, 701, 702]
    assert found.processes[600].ticks == 80
    assert found.connections == 1
    assert found.missing == []


def test_a_process_that_began_in_between_counts_nothing() -> None:
    found = read(DEBIAN | {"ticks_after": "511 50 50\n600 960 120\n", "ticks_before": "600 900 100\n"})
    assert (found.processes[511].ticks, found.processes[600].ticks) == (0, 80)


@pytest.mark.parametrize(
    ("name", "answer", "missing"),
    [
        ("cpus", "", "cpus"),
        ("cpus", "-1", "cpus"),
        ("memory", "", "memory"),
        ("memory", "             total   used   free\nMem:  100 50 50", "memory"),
        ("disk /", "", "disk /"),
        ("disk /", "df: /nowhere: No such file or directory", "disk /"),
        ("cpu_before", "", "cpu"),
        ("cpu_after", "cpu a b c d e f g h", "cpu"),
        ("processes", "", "processes"),
        ("units", "", "units"),
    ],
)
def test_what_is_not_there_is_missing(name: str, answer: str, missing: str) -> None:
    found = read(DEBIAN | {name: answer})
    assert missing in found.missing
    values = {"cpus": found.cpus, "memory": found.memory_used, "cpu": found.cpu}
    assert values.get(missing) is None


def test_without_processes_connections_are_not_zero() -> None:
    found = read(DEBIAN | {"processes": ""})
    assert found.connections is None
    assert any(entry.startswith("connections") for entry in found.missing)


def test_psql_tells_both_numbers_or_why_not() -> None:
    found = read(DEBIAN | {"database": "7|100"}, by_psql=True)
    assert (found.connections, found.max_connections) == (7, 100)
    found = read(DEBIAN | {"database": "psql: error: connection to server\n failed"}, by_psql=True)
    assert (found.connections, found.max_connections) == (None, None)
    assert "connections psql: error: connection to server failed" in found.missing


def test_an_answer_that_was_cut_is_not_taken() -> None:
    text = as_printed(DEBIAN)
    cut = text[: text.index("RssShmem:\t  130000")]
    found = sections(cut, MARK)
    assert "memories" not in found
    assert found["cpus"] == "4"


def test_a_process_cannot_make_an_answer_up() -> None:
    answers = DEBIAN | {"processes": DEBIAN["processes"] + "  900 evil  other begin cpus\n  901 evil other end 0 cpus"}
    assert read(answers).cpus == 4


def component(number: int, match: str, value: str = "") -> Component:
    return Component(pk=number, name=str(number), match=match, value=value)


def test_components_take_their_processes_and_the_rest_what_is_left() -> None:
    parts = [
        component(1, "unit", "nginx"),
        component(2, "command", "app.jar"),
        component(3, "user", "postgres"),
        component(4, "rest"),
    ]
    found = taken(parts, read(DEBIAN))
    assert found["1"] == {"memory": 8500 * 1024, "basis": PSS, "cpu": 1.25, "processes": 2}
    assert found["2"]["cpu"] == 10.0
    assert (found["3"]["memory"], found["3"]["basis"]) == ((22000 + 20000 + 130000) * 1024, PARTS)
    assert found["4"]["processes"] == 2


def test_a_component_without_a_process_says_so_and_nothing_read_says_nothing() -> None:
    gone = [component(1, "unit", "redis")]
    assert taken(gone, read(DEBIAN))["1"]["processes"] == 0
    assert taken(gone, read(DEBIAN | {"processes": ""})) == {}


@pytest.mark.parametrize(
    ("value", "fits"), [("postgresql@*", True), ("postgresql@16-main.service", True), ("postgresql", False)]
)
def test_units_may_be_named_by_a_pattern(value: str, fits: bool) -> None:
    process = Process(1, units=("system.slice", "postgresql@16-main.service"))
    pattern = value if "." in value or "*" in value else f"{value}.service"
    assert belongs(component(1, "unit", pattern), process) is fits


def test_the_mean_keeps_the_most() -> None:
    rows = [
        {"memory": 10, "cpu": 1.0, "processes": 1, "basis": PSS},
        {"memory": 30, "cpu": None, "processes": 2, "basis": PSS},
    ]
    found = mean(rows)
    assert found is not None
    assert (found["memory"], found["memory_most"], found["cpu"], found["processes"]) == (20, 30, 1.0, 2)
    assert mean([]) is None


def test_values_reach_the_commands_as_data() -> None:
    asked = commands(["/srv/it's"], DatabaseLogin(False, {"d": "shop; rm -rf /", "h": ""}))
    text = script(asked, MARK)
    assert "df -Pk '/srv/it'\"'\"'s'" in text
    assert "-d 'shop; rm -rf /'" in text
    assert " -h " not in text
