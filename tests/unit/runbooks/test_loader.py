"""What is read from a runbook, and the error for everything that can be wrong in one."""

import pytest

from releases.runbooks.loader import load
from releases.runbooks.messages import RunbookErrors
from releases.runbooks.model import LocalText, Phase, Retry, Role
from tests.unit.runbooks.samples import SMALL, broken


def errors_of(text):
    with pytest.raises(RunbookErrors) as caught:
        load(text)
    for error in caught.value.errors:
        assert str(error.mend), error
        assert "%(" not in str(error)
        assert set(error.to_json()) == {"line", "column", "path", "message", "mend"}
    return caught.value.errors


def test_it_reads_a_runbook_with_its_defaults():
    runbook = load(SMALL)
    stop, start = runbook.steps
    assert (runbook.kind, runbook.title) == ("deploy", LocalText("작은 배포", "Small"))
    assert (stop.role, stop.phase, stop.estimate, stop.timeout) == (Role.DEVOPS, Phase.STOP, 60, 180)
    assert (start.estimate, start.timeout, start.silence_timeout, start.retry) == (120, 180, None, Retry(1, 0))
    assert (stop.grace, load(broken("timeout: 3m", "grace: 2s")).steps[1].grace) == (10, 2)
    assert (stop.after, start.after) == ((), ("stop",))
    assert (stop.number, start.number) == ("1", "2")
    assert stop.parameters == {"command": "stop {db_name}", "folder": "", "produces": []}
    assert (stop.opens_downtime, stop.closes_downtime, stop.idempotent, stop.condition) == (True, False, False, "")
    assert not stop.irreversible
    assert load(broken("timeout: 3m", "irreversible: {en: Gone}")).steps[1].irreversible == LocalText("", "Gone")
    assert runbook.secret_names == {"token"}
    assert runbook.checklist[0].proof == ""


def test_values_stay_what_was_typed():
    text = broken("title: {en: Ready}", "title: {en: no}")
    assert load(text.replace("작은 배포", "12:30")).title.ko == "12:30"
    assert load(text).checklist[0].title.en == "no"


# old text, new text, line, path, part of the message, part of the mend
WRONG = [
    ("    estimate: 1m", "    estimat: 1m", 20, "steps[0].estimat", "not known", "estimate"),
    ("kind: deploy", "knd: deploy", 1, "knd", "not known", "Did you mean kind"),
    ("      command: stop {db_name}", "      zzz: 1", 19, "steps[0].parameters.zzz", "not known", "command"),
    ("kind: deploy", "kind: deplyo", 1, "kind", "deplyo", "Did you mean deploy"),
    ("    role: DevOps", "    role: 사장", 14, "steps[0].role", "사장", "운영팀"),
    ("    phase: stop\n", "", 12, "steps[0]", "phase is missing", "Add phase"),
    ("    estimate: 1m", "    estimate: 1d", 20, "steps[0].estimate", "right form", "90s, 5m, 1h"),
    ("    estimate: 1m", "    estimate: -1", 20, "steps[0].estimate", "outside", "from 0"),
    ("    estimate: 1m", "    estimate: [1]", 20, "steps[0].estimate", "expected", "whole number"),
    ("command: stop {db_name}", "command: {db_name}", 19, "steps[0].parameters.command", "a group", "in quotes"),
    ("command: stop {db_name}", "command: 5", 19, "steps[0].parameters.command", "a whole number", "in quotes"),
    ("command: stop {db_name}", "command: ''", 19, "steps[0].parameters.command", "empty", "text"),
    ("key: stop", "key: Stop-1", 12, "steps[0].key", "right form", "small letters"),
    ("runs_on: app", "runs_on: App Server", 17, "steps[0].runs_on", "right form", "small letters"),
    ("    runs_on: app\n", "", 12, "steps[0]", "where it runs", "runs_on"),
    ("key: start", "key: stop", 22, "steps[1].key", "used twice; first on line 12", "own"),
    ("    estimate: 1m", "    estimate: 0s\n    timeout: 0", 21, "steps[0].timeout", "ended at once", "at least 1s"),
    ("    estimate: 2m", "    estimate: 4m", 33, "steps[1].timeout", "240 s is longer", "Raise"),
    (
        "action: shell\n    runs_on: app\n    parameters:\n      command: stop {db_name}",
        "action: wait\n    parameters:\n      seconds: 3m",
        18,
        "steps[0].parameters.seconds",
        "lasts 180 s",
        "longer timeout",
    ),
    ("    estimate: 2m", "    estimate: 2m\n    after: [sotp]", 33, "steps[1].after[0]", "sotp", "stop, start"),
    ("    estimate: 2m", "    estimate: 2m\n    after: [start]", 33, "steps[1].after", "start → start", "Remove"),
    ("    estimate: 2m", "    estimate: 2m\n    after: [stop, stop]", 33, "steps[1].after", "twice", "Keep one"),
    ("stop {db_name}", "stop {db_nam}", 19, "steps[0].parameters.command", "{db_nam}", "db_name, downtime"),
    ("start {db_name}", "start {zzz}", 31, "steps[1].parameters.command", "{zzz}", "db_name"),
    ("{token_file}", "{token}", 31, "steps[1].parameters.command", "is a secret", "{token_file}"),
    ("stop {db_name}", 'sh -c "{db_name}"', 19, "steps[0].parameters.command", "second interpreter", "argument"),
    ("    closes_downtime: true\n", "", 21, "steps[0].opens_downtime", "never closed", "closes_downtime"),
    ("    opens_downtime: true\n", "", 33, "steps[1].closes_downtime", "never opened", "opens_downtime"),
    ("closes_downtime: true", "opens_downtime: true", 34, "steps[1].opens_downtime", "more than one", "remove"),
    ("type: secret", "type: secret\n    default: hunter2", 8, "variables[1].default", "default", "encrypted"),
    ("type: identifier", "type: integer\n    default: many", 6, "variables[0].default", "integer", "whole"),
    ("type: identifier", "type: string\n    pattern: '('", 6, "variables[0].pattern", "regular", "brackets"),
    (
        "type: identifier",
        f"type: string\n    pattern: '(a|a)*'\n    default: {'a' * 40}b",
        7,
        "variables[0].default",
        "takes too long",
        "repetition",
    ),
    ("name: token", "name: date", 6, "variables[1].name", "can't be declared", "another name"),
    ("name: token", "name: db_name", 6, "variables[1].name", "used twice", "own"),
    ("    estimate: 1m", "    estimate: 1m\n    condition: maybe", 21, "steps[0].condition", "maybe", "schema_changed"),
    ("    estimate: 1m", "    estimate: 1m\n    check: ok {zzz}", 21, "steps[0].check", "{zzz}", "Declare"),
    ("    estimate: 1m", "    estimate: 1m\n    probe: ok {zzz}", 21, "steps[0].probe", "{zzz}", "Declare"),
    ("    estimate: 1m", "    estimate: 1m\n    estimate: 2m", 21, "steps[0].estimate", "given twice", "Keep one"),
    (
        "stop {db_name}",
        "stop {db_name}\n      produces: [a]",
        20,
        "steps[0].parameters.produces",
        "controller",
        "runs_on",
    ),
]


@pytest.mark.parametrize(("old", "new", "line", "path", "message", "mend"), WRONG)
def test_each_mistake_has_its_line_and_its_mend(old, new, line, path, message, mend):
    errors = errors_of(broken(old, new))
    matching = [error for error in errors if error.path == path and message in str(error.message)]
    assert matching, [str(error) for error in errors]
    assert (matching[0].line, mend in str(matching[0].mend)) == (line, True), str(matching[0])


ACTIONS = [
    ("shell", "produces: [Bad Name]", "produces[0]", "right form"),
    ("upload", "destination: /a", "", "One of artifact, source"),
    ("upload", "{source: '{token}', destination: /a}", "source", "is a secret"),
    ("upload", "{source: '{token_file}', destination: /a}", "source", "is a secret"),
    ("upload", "{source: a, destination: '{nope}'}", "destination", "{nope}"),
    ("backup_files", "{files: [], destination: /b}", "files", "empty"),
    ("backup_files", "{files: [{path: /a}], destination: /b}", "files[0]", "link is missing"),
    ("backup_database", "{database: a, format: tar}", "format", "tar"),
    ("backup_database", "{database: a, password_secret: db_name}", "password_secret", "not a declared secret"),
    ("backup_database", "{database: a, jobs: 2}", "jobs", "made by one process"),
    ("restore_files", "{files: []}", "files", "empty"),
    ("restore_files", "{files: [{path: /a, link: b}], destination: /b}", "destination", "not known"),
    ("restore_database", "{database: a, jobs: 0}", "jobs", "outside"),
    ("restore_database", "{database: a, password_secret: db_name}", "password_secret", "not a declared secret"),
    ("sql", "{database: a, port: 70000}", "port", "outside"),
    ("sql", "{database: a, transaction: maybe}", "transaction", "maybe"),
    ("http_check", "urls: ['ftp://a']", "urls[0]", "right form"),
    ("http_check", "{urls: ['http://a'], attempts: 0}", "attempts", "outside"),
    ("http_check", "{urls: ['http://a'], method: PUT}", "method", "PUT is not allowed"),
    ("http_check", "{urls: ['http://a'], body: a}", "body", "body is sent by a POST only"),
    ("http_check", "{urls: ['http://a'], method: GET, body: a}", "body", "body is sent by a POST only"),
    ("http_check", "{urls: ['http://a'], content_type: a/b}", "content_type", "content_type is sent by a POST only"),
    ("http_check", "{urls: ['http://a'], method: POST, content_type: json}", "content_type", "right form"),
    ("http_check", '{urls: ["http://a"], method: POST, content_type: "a/b\\nX: 1"}', "content_type", "right form"),
    ("http_check", "{urls: ['http://a'], method: POST, body: {a: b}}", "body", "a text was expected"),
    ("http_check", "{urls: ['http://a'], method: POST, body: '{token}'}", "body", "is a secret"),
    ("http_check", "{urls: ['http://a'], method: POST, body: '{token_file}'}", "body", "is a secret"),
    ("http_check", "{urls: ['http://a'], method: POST, body: '{nope}'}", "body", "{nope}"),
    ("http_check", "{urls: ['http://a'], matches: '('}", "matches", "regular expression"),
    ("watch_logs", "{files: [/a], fail_on: ['(']}", "fail_on[0]", "regular expression"),
    ("watch_logs", "seconds: 5", "", "One of commands, files"),
    ("watch_logs", "commands: ['eval {db_name}']", "commands[0]", "second interpreter"),
    ("announce", "{state: soon, title: {ko: a}}", "state", "soon"),
    ("announce", "{state: done, title: {ko: '{nope}'}}", "title.ko", "{nope}"),
    ("manual", "allow_file: 1", "allow_file", "expected"),
    ("wait", "seconds: soon", "seconds", "right form"),
]


@pytest.mark.parametrize(("action", "parameters", "path", "message"), ACTIONS)
def test_each_action_checks_its_parameters(action, parameters, path, message):
    text = broken("action: shell", f"action: {action}")
    text = (
        text.replace("command: stop {db_name}", parameters)
        if not parameters.startswith("{")
        else text.replace("parameters:\n      command: stop {db_name}", f"parameters: {parameters}")
    )
    where = "steps[0].parameters" + (f".{path}" if path else "")
    found = [error for error in errors_of(text) if error.path == where and message in str(error.message)]
    assert found, [str(error) for error in errors_of(text)]


@pytest.mark.parametrize(
    ("given", "mend"),
    [
        ("body: a", "Add method: POST, or remove body."),
        ("content_type: a/b", "Add method: POST, or remove content_type."),
        ("content_type: json, method: POST", "Write it as in application/json."),
        ("method: PUT, body: a", "Use one of: GET, POST."),
    ],
)
def test_what_a_check_sends_says_how_to_mend_it(given, mend):
    assert [str(error.mend) for error in errors_of(asking(given))] == [mend]


@pytest.mark.parametrize("given", ["method: POST", "method: POST, body: '', content_type: text/css; a=b", "body: ''"])
def test_what_a_check_may_send(given):
    assert load(asking(given)).steps[0].parameters["content_type"]


def asking(given):
    text = broken("action: shell", "action: http_check")
    return text.replace("parameters:\n      command: stop {db_name}", f"parameters: {{urls: ['http://a'], {given}}}")


@pytest.mark.parametrize(
    "action", ["upload", "backup_files", "backup_database", "restore_files", "restore_database", "sql", "watch_logs"]
)
def test_what_needs_a_host_does_not_run_on_the_controller(action):
    text = broken("action: shell", f"action: {action}").replace("runs_on: app", "runs_on: controller", 1)
    assert any("can't run on the controller" in str(error.message) for error in errors_of(text))


def test_downtime_that_opens_after_it_closes():
    text = (
        SMALL.replace("opens_downtime", "XX")
        .replace("closes_downtime", "opens_downtime")
        .replace("XX", "closes_downtime")
    )
    (error,) = errors_of(text)
    assert (error.line, "line 21" in str(error.message)) == (34, True)


def test_a_cycle_is_named_step_by_step():
    third = SMALL[SMALL.index("  - key: start") :].replace("key: start", "key: third").split("    timeout")[0]
    text = SMALL.replace("estimate: 1m", "estimate: 1m\n    after: [third]") + third
    (error,) = errors_of(text)
    assert "stop → third → start → stop" in str(error.message)
    assert (error.line, error.path) == (21, "steps[0].after")


def test_all_errors_come_at_once_in_the_order_of_the_text():
    text = (
        SMALL.replace("kind: deploy", "kind: x").replace("estimate: 1m", "estimat: 1").replace("{token_file}", "{zzz}")
    )
    lines = [error.line for error in errors_of(text)]
    assert lines == sorted(lines)
    assert {1, 12, 20, 31} <= set(lines)


def test_a_placeholder_that_stands_twice_is_found_where_it_stands():
    text = broken("        start one\n", "        # {zzz}\n        start ${zzz}\n")
    (error,) = errors_of(text)
    assert (error.line, error.column) == (30, 11)


def test_columns_count_characters_from_one():
    (error,) = errors_of(broken("command: stop {db_name}", 'command: "중단 {zzz}"'))
    assert (error.line, error.column) == (19, 20)


@pytest.mark.parametrize("text", ["", "[]", "just text", "- a\n- b", "null", "5"])
def test_what_is_no_runbook_says_how_one_begins(text):
    (error,) = errors_of(text)
    assert "kind:" in str(error.mend)


def test_wrong_shapes_anywhere_never_break_the_loader():
    data_lines = SMALL.split("\n")
    for number, line in enumerate(data_lines):
        if ":" not in line:
            continue
        for junk in ("[]", "{}", "null", "7", "[[a]]", "[{a: {b: [c]}}]"):
            lines = [*data_lines[:number], line.split(":")[0] + ": " + junk, *data_lines[number + 1 :]]
            try:
                load("\n".join(lines))
            except RunbookErrors as caught:
                assert all(str(error) for error in caught.errors)


@pytest.mark.parametrize("action", ["[x]", "{a: b}", "null"])
def test_an_action_of_a_wrong_shape_on_the_controller_is_an_error(action):
    text = broken("action: shell", f"action: {action}").replace("runs_on: app", "runs_on: controller", 1)
    assert any(error.path == "steps[0].action" for error in errors_of(text))


@pytest.mark.parametrize("pattern", ["(" * 5000 + ")" * 5000, "a{99999999999999999999}"])
def test_a_regular_expression_too_large_for_python_is_an_error(pattern):
    text = broken("type: identifier", f"type: string\n    default: a\n    pattern: '{pattern}'")
    assert any(error.path == "variables[0].pattern" for error in errors_of(text))


@pytest.mark.parametrize("old", ["key: stop", "name: db_name", "runs_on: app", "estimate: 1m"])
def test_a_newline_at_the_end_of_a_word_is_not_overlooked(old):
    key, value = old.split(": ")
    errors = errors_of(broken(old, f'{key}: "{value}\\n"'))
    assert any("right form" in str(error.message) for error in errors)


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        ("title: {ko: 중단}", f"title: {{ko: {'a' * 201}}}", "steps[0].title.ko", "201, and at most 200"),
        ("title: {en: Ready}", f"title: {{en: {'a' * 201}}}", "checklist[0].title.en", "201, and at most 200"),
        ("key: stop", f"key: {'a' * 61}", "steps[0].key", "61, and at most 60"),
        ("role: DevOps", "role: DevOps\n    number: '12345678901'", "steps[0].number", "11, and at most 10"),
    ],
)
def test_what_is_too_long_to_be_kept_is_refused(old, new, path, message):
    assert any(error.path == path and message in str(error.message) for error in errors_of(broken(old, new)))


def test_too_many_steps_are_counted_in_the_error():
    step = SMALL[SMALL.index("  - key: start") :].replace("closes_downtime: true", "idempotent: true")
    text = SMALL + "".join(step.replace("key: start", f"key: k{number}") for number in range(199))
    assert any("201, and at most 200" in str(error.message) for error in errors_of(text))


def test_a_flood_of_mistakes_is_cut_and_costs_little():
    text = "\n".join(f"k{number}: {{a: [{number}]}}" for number in range(10_000))
    assert len(errors_of(text)) == 200


@pytest.mark.parametrize("piece", ["$(", "(", '"$(', "${", "{ ", "`", "<<E\\n"])
def test_a_bomb_of_brackets_in_a_command_is_an_error_or_nothing(piece):
    text = broken("command: stop {db_name}", "command: '" + piece * 5000 + "'")
    try:
        load(text)
    except RunbookErrors as caught:
        assert "nested too deeply" in str(caught)
