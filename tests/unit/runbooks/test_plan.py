"""Filling a runbook in: what runs, what a person reads, what is missing."""

import json

import pytest

from releases.runbooks.loader import load
from releases.runbooks.plan import OTHER_SERVICE, PlanErrors, PlannedStep, fill, totals
from tests.unit.runbooks.samples import SMALL, broken

VALUES = {"db_name": "main"}
HOSTS = {"app": {"user": "deploy", "server": "prod-1"}}


def one(action, parameters, **more):
    """The first step of a plan with this action."""
    text = broken("    action: shell", f"    action: {action}")
    text = text.replace("    parameters:\n      command: stop {db_name}", f"    parameters: {json.dumps(parameters)}")
    return fill(load(text), {**VALUES, "date": "20261125", **more}, [], {}, HOSTS)[0]


def problems_of(text, values, facts=None, hosts=None):
    with pytest.raises(PlanErrors) as caught:
        fill(load(text), values, [], facts or {}, hosts)
    assert all(str(problem.message) and str(problem.mend) for problem in caught.value.problems)
    assert str(caught.value)
    return [(problem.step, problem.name) for problem in caught.value.problems]


def test_commands_are_compiled_and_shown_with_secrets_masked():
    stop, start = fill(load(SMALL), VALUES, ["token"], {})
    assert stop.lines == ("stop main",)
    assert stop.scripts["command"].text == 'stop "${cw_db_name}"'
    assert stop.scripts["command"].parameters == {"cw_db_name": "main"}
    assert start.lines == ("start one", "start main --key ••••••")
    assert start.scripts["command"].secrets == ("token",)


def test_a_secrets_value_given_by_mistake_is_nowhere_in_the_plan():
    steps = fill(load(SMALL), {**VALUES, "token": "hunter2"}, [], {})
    assert "hunter2" not in json.dumps([step.to_json() for step in steps])


def test_an_environments_secret_is_one_though_the_runbook_did_not_say_so():
    with pytest.raises(PlanErrors, match="is a secret"):
        fill(load(SMALL), VALUES, ["db_name"], {})


def test_steps_survive_json():
    steps = fill(load(SMALL.replace("estimate: 1m", "estimate: 1m\n    check: is {db_name}")), VALUES, [], {})
    again = tuple(PlannedStep.from_json(json.loads(json.dumps(step.to_json()))) for step in steps)
    assert again == steps
    assert json.dumps(again[0].to_json()) == json.dumps(steps[0].to_json())
    assert again[0].scripts["check"].text == 'is "${cw_db_name}"'


def test_a_probe_is_compiled_shown_and_part_of_the_plan():
    text = broken("estimate: 1m", "estimate: 1m\n    probe: |\n      is {db_name}\n      key {token_file}")
    (stop, _start) = fill(load(text), VALUES, [], {})
    assert stop.scripts["probe"].text == 'is "${cw_db_name}"\nkey "${CLOUDWIKI_SECRETS}/token"\n'
    assert stop.scripts["probe"].secrets == ("token",)
    assert stop.asides == {"probe": ("is main", "key ••••••")}
    assert stop.lines == ("stop main",)
    assert PlannedStep.from_json(json.loads(json.dumps(stop.to_json()))) == stop


def test_a_plan_from_before_there_were_probes_can_be_read():
    (stop, _start) = fill(load(SMALL), VALUES, [], {})
    old = {name: value for name, value in stop.to_json().items() if name not in {"probe", "asides"}}
    assert PlannedStep.from_json(old) == stop


def test_a_placeholder_of_a_probe_needs_its_value():
    text = broken("estimate: 1m", "estimate: 1m\n    probe: is {db_name}").replace("stop {db_name}", "stop")
    assert ("stop", "db_name") in problems_of(text, {})


LINES = [
    ("shell", {"command": "make", "folder": "/srv/{db_name} x"}, ["cd '/srv/main x'", "make"]),
    ("upload", {"source": "a b.jar", "destination": "/app/"}, ["scp 'a b.jar' deploy@prod-1:/app/"]),
    ("upload", {"artifact": "web", "destination": "/w", "folder": True}, ["scp -r web deploy@prod-1:/w"]),
    (
        "backup_files",
        {
            "files": [{"path": "/a/{db_name}", "link": "a.bak"}, {"path": "/b", "link": "b", "folder": True}],
            "destination": "/k/",
        },
        ["cp /a/main /k/a.bak", "cp -r /b /k/b"],
    ),
    ("backup_database", {"database": "{db_name}"}, ["pg_dump -U postgres -d main > backup_20261125.sql"]),
    ("backup_database", {"database": "x", "format": "custom", "destination": "d"},
     ["pg_dump -Fc -U postgres -d x > d"]),
    (
        "restore_files",
        {"files": [{"path": "/a/{db_name}", "link": "a.bak"}, {"path": "/b c", "link": "b", "folder": True}]},
        ["cp a.bak /a/main", "cp -r b '/b c'"],
    ),
    ("restore_database", {"database": "{db_name}"}, ["pg_restore -U postgres -d main"]),
    ("restore_database", {"database": "x", "host": "d", "jobs": 4}, ["pg_restore -j 4 -U postgres -h d -p 5432 -d x"]),
    ("sql", {"database": "x", "file": "m.sql", "transaction": "single"}, ["psql -1 -U postgres -d x -f m.sql"]),
    ("sql", {"database": "x", "file": "m", "host": "db", "port": 5433}, ["psql -U postgres -h db -p 5433 -d x -f m"]),
    ("http_check", {"urls": ["http://a/?q=1&b"]}, ["curl 'http://a/?q=1&b'"]),
    ("http_check", {"urls": ["http://a"], "matches": "b"}, ["curl http://a"]),
    ("http_check",
     {"urls": ["http://a/{db_name}", "http://b"], "method": "POST", "body": """{"a": "{db_name}", "b": "it's"}"""},
     [f"""curl -X POST -H 'Content-Type: application/json' --data '{{"a": "main", "b": "it'"'"'s"}}' {url}"""
      for url in ("http://a/main", "http://b")]),
    ("http_check", {"urls": ["http://a"], "method": "POST"}, ["curl -X POST -H 'Content-Type: application/json' http://a"]),
    ("http_check", {"urls": ["http://a"], "method": "POST", "content_type": "text/plain", "body": "@a\nb"},
     ["curl -X POST -H 'Content-Type: text/plain' --data-raw '@a␊b' http://a"]),
    ("watch_logs", {"files": ["/l"], "commands": ["pm2 logs {db_name}"]}, ["tail -f /l", "pm2 logs main"]),
    ("maintenance_page", {"shows": True, "include": "/w/{db_name}.conf"},
     ["echo 'return 503;' > /w/main.conf", "sudo -n nginx -t", "sudo -n nginx -s reload"]),
    ("maintenance_page", {"shows": False, "include": "/w/m.conf", "nginx": "nginx"},
     ["rm /w/m.conf", "nginx -t", "nginx -s reload"]),
    ("announce", {"state": "done", "title": {"ko": "{db_name} 끝", "en": "over"}}, ["main 끝", "over"]),
    ("manual", {"instructions": {"en": "look\nat it"}}, ["look", "at it"]),
    ("wait", {"seconds": "1m"}, ["sleep 60"]),
]  # fmt: skip


@pytest.mark.parametrize(("action", "parameters", "lines"), LINES)
def test_every_action_reads_as_what_it_amounts_to(action, parameters, lines):
    assert list(one(action, parameters).lines) == lines


def test_a_folder_reaches_the_script_as_data():
    script = one("shell", {"command": "make", "folder": "/srv/$(id)"}).scripts["command"]
    assert script.text == 'cd -- "${cw_step_folder}" || exit\nmake'
    assert script.parameters == {"cw_step_folder": "/srv/$(id)"}


def test_each_log_command_has_a_script():
    assert set(one("watch_logs", {"commands": ["a", "b"]}).scripts) == {"commands[0]", "commands[1]"}


def test_texts_are_filled_in_and_durations_are_seconds():
    step = one("http_check", {"urls": ["http://{db_name}/"], "timeout": "1m"})
    assert (step.parameters["urls"], step.parameters["timeout"], step.parameters["attempts"]) == (
        ["http://main/"],
        60,
        10,
    )


def test_a_skipped_step_needs_no_values_and_counts_no_time():
    text = broken("    estimate: 1m", "    estimate: 1m\n    condition: schema_changed")
    text = text.replace("stop {db_name}", "psql -f {migration}")
    stop, start = fill(load(text), VALUES, [], {"schema_changed": False})
    assert (stop.skipped_because, stop.lines, stop.scripts) == ("schema_changed", ("psql -f '{migration}'",), {})
    assert totals([stop, start]) == (120, 0)
    assert problems_of(text, VALUES, {"schema_changed": True}) == [("stop", "migration")]


def test_one_service_alone_leaves_the_steps_of_the_others_out_and_keeps_the_marks_of_the_downtime():
    common = {"role": "DevOps", "phase": "replace", "estimate": 60}

    def step(key, service, **more):
        return (
            {"key": key, "title": {"ko": key}, "action": "wait", "parameters": {"seconds": 1}, **common}
            | ({"service": service} if service else {})
            | more
        )

    steps = [
        step("stop_a", "a", opens_downtime=True), step("stop_b", "b"), step("start_a", "a"),
        step("start_b", "b", closes_downtime=True), step("look", ""),
    ]  # fmt: skip
    runbook = load(json.dumps({"kind": "rollback", "title": {"ko": "x"}, "steps": steps}))
    cases = (
        ("a", ["stop_a", "start_a", "look"], "stop_a", "start_a"),
        ("b", ["stop_b", "start_b", "look"], "stop_b", "start_b"),
        ("", ["stop_a", "stop_b", "start_a", "start_b", "look"], "stop_a", "start_b"),
    )
    for only, run, first, last in cases:
        found = fill(runbook, {}, frozenset(), {}, {}, only)
        assert [entry.key for entry in found if not entry.skipped_because] == run
        assert [entry.key for entry in found if entry.opens_downtime] == [first]
        assert [entry.key for entry in found if entry.closes_downtime] == [last]
        assert {entry.skipped_because for entry in found} <= {"", OTHER_SERVICE}
    assert totals(fill(runbook, {}, frozenset(), {}, {}, "b")) == (180, 120)


def test_times_count_from_the_opening_to_the_closing_step():
    assert totals(fill(load(SMALL), VALUES, [], {})) == (180, 180)
    assert totals(load(SMALL).steps[1:]) == (120, 0)
    assert totals([]) == (0, 0)


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        ("integer", ["0", "-5"], ["", "1.5", "1;id", "１"]),
        ("path", ["/a b", "x/$(id)"], ["-rf", "", "a\nb", "a\0"]),
        ("host", ["prod-1", "10.0.0.1", "::1"], ["-oProxyCommand=x", "a b", "a;b", ""]),
        ("url", ["http://a:80/x?y"], ["ftp://a", "-http://a", "http://", "http://a b", "http://[a"]),
        ("identifier", ["db_1", "a.b-c"], ["-d", "1a", "a b", "a;b", ""]),
        ("boolean", ["true", "false"], ["yes", "True", ""]),
        ("string", ["", "-x", "$(id)"], ["a\0b", "\ud800"]),
    ],
)
def test_values_are_of_their_type(type_, good, bad):
    text = broken("type: identifier", f"type: {type_}")
    for value in good:
        assert fill(load(text), {"db_name": value}, [], {})
    for value in bad:
        assert ("", "db_name") in problems_of(text, {"db_name": value}), value


def test_a_pattern_holds_for_the_whole_value():
    text = broken("type: identifier", "type: string\n    pattern: '[a-z]+'")
    assert fill(load(text), {"db_name": "abc"}, [], {})
    assert ("", "db_name") in problems_of(text, {"db_name": "abc\nd"})


def test_everything_missing_or_wrong_is_told_at_once():
    assert problems_of(SMALL, {"date": "tomorrow"}) == [
        ("", "db_name"),
        ("", "date"),
        ("stop", "db_name"),
        ("start", "db_name"),
    ]
    assert problems_of(SMALL, VALUES, hosts={"app": {"user": "-x", "server": "ok"}}) == [("", "user")]


def test_a_default_serves_where_no_value_is_given():
    text = broken("type: identifier", "type: integer\n    default: 7")
    assert fill(load(text), {}, [], {})[0].lines == ("stop 7",)


def test_each_host_role_has_its_own_user_and_server():
    text = broken("stop {db_name}", "echo {user}@{server}").replace("runs_on: app", "runs_on: web", 1)
    steps = fill(load(text), VALUES, [], {}, {**HOSTS, "web": {"user": "www", "server": "web-1"}})
    assert steps[0].lines == ("echo www@web-1",)
