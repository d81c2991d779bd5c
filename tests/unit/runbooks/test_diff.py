"""What changed between two versions of a runbook, and between two plans."""

from releases.runbooks.diff import diff_plans, diff_versions
from releases.runbooks.loader import load
from releases.runbooks.plan import fill
from tests.unit.runbooks.samples import SMALL, broken


def plan(text=SMALL, db_name="main", **facts):
    return fill(load(text), {"db_name": db_name}, [], facts)


def shown(diffs):
    return [(diff.key, [(line.number, line.kind, str(line.text)) for line in diff.lines]) for diff in diffs]


def test_versions_that_are_equal_have_no_difference():
    assert diff_versions(SMALL, SMALL) == []


def test_versions_show_changed_lines_with_their_numbers():
    (hunk,) = diff_versions("a\nb\nc\nd\ne\nf", "a\nb\nc\nX\ne\nf\ng", context=1)
    assert (hunk.old, hunk.new) == (3, 3)
    assert [tuple(line) for line in hunk.lines] == [
        (3, "same", "c"), (4, "-", "d"), (4, "+", "X"), (5, "same", "e"), (6, "same", "f"), (7, "+", "g")
    ]  # fmt: skip


def test_changes_far_apart_are_apart():
    old = "\n".join(str(number) for number in range(100))
    assert len(diff_versions(old, old.replace("10", "ten").replace("90", "x"), context=1)) == 2


def test_plans_that_are_equal_have_no_difference():
    assert diff_plans(plan(), plan()) == []


def test_a_changed_value_shows_in_each_step_that_uses_it():
    assert shown(diff_plans(plan(), plan(db_name="other"))) == [
        ("stop", [(1, "-", "stop main"), (1, "+", "stop other")]),
        ("start", [
            (8, "same", "start one"), (9, "-", "start main --key ••••••"), (9, "+", "start other --key ••••••"),
        ]),
    ]  # fmt: skip


def test_a_changed_limit_shows_beside_the_command():
    ((key, lines),) = shown(diff_plans(plan(), plan(broken("timeout: 3m", "timeout: 5m"))))
    assert key == "start"
    assert [line[1:] for line in lines] == [
        ("same", "start one"),
        ("same", "start main --key ••••••"),
        ("-", "time limit 180 s, no silence limit"),
        ("+", "time limit 300 s, no silence limit"),
    ]


def test_a_changed_probe_shows_with_its_values_filled_in():
    old, new = (broken("estimate: 1m", f"estimate: 1m\n    probe: {word} {{db_name}}") for word in ("ls", "cat"))
    ((_key, lines),) = shown(diff_plans(plan(old), plan(new)))
    assert [line[1:] for line in lines] == [("same", "stop main"), ("-", "probe: ls main"), ("+", "probe: cat main")]


def test_a_step_that_will_be_skipped_says_so():
    text = broken("estimate: 1m", "estimate: 1m\n    condition: schema_changed")
    ((key, lines),) = shown(diff_plans(plan(text, schema_changed=True), plan(text)))[:1]
    assert key == "stop"
    assert lines[-1] == (1, "+", "(skipped: the schema does not change)")
    assert lines[0] == (1, "-", "stop main")


def test_steps_that_came_and_went_are_whole():
    diffs = diff_plans(plan(), plan(broken("key: stop", "key: halt")))
    assert [diff.key for diff in diffs] == ["halt", "start", "stop"]
    assert {line.kind for line in diffs[0].lines} == {"+"}
    assert {line.kind for line in diffs[2].lines} == {"-"}


def test_the_first_plan_of_an_environment_is_all_new():
    assert {line.kind for diff in diff_plans([], plan()) for line in diff.lines} == {"+"}


def test_a_changed_setting_of_an_action_shows():
    text = broken("action: shell", "action: http_check").replace("command: stop {db_name}", "urls: ['http://a']")
    ((_key, lines),) = shown(diff_plans(plan(text), plan(text.replace("urls:", "attempts: 3\n      urls:"))))
    assert [line[1:] for line in lines] == [("same", "curl http://a"), ("-", "attempts: 10"), ("+", "attempts: 3")]


def test_a_changed_body_shows_once():
    text = broken("action: shell", "action: http_check")
    text = text.replace("command: stop {db_name}", "urls: ['http://a']\n      method: POST\n      body: one")
    ((_key, lines),) = shown(diff_plans(plan(text), plan(text.replace("body: one", "body: two"))))
    assert [line[1] for line in lines] == ["-", "+"]
    assert "--data two" in lines[1][2]
