"""Compiling, rendering and refusing placeholders, without a shell."""

import pytest

from releases.runbooks.placeholders import (
    MASK,
    PlaceholderError,
    compile_script,
    names,
    render,
    substitute,
)

HOSTILE = 'a\'; touch /tmp/x; echo "$(id)" `id` \\'


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("echo {x}", 'echo "${cw_x}"'),
        ("echo a{x}b", 'echo a"${cw_x}"b'),
        ('echo "a {x} b"', 'echo "a ${cw_x} b"'),
        ("echo 'a {x} b'", "echo 'a '\"${cw_x}\"' b'"),
        ('echo "$(echo {x})"', 'echo "$(echo "${cw_x}")"'),
        ("cat <<END\n{x} '{x}'\nEND\necho {x}", "cat <<END\n${cw_x} '${cw_x}'\nEND\necho \"${cw_x}\""),
        ("cat <<-END\n\t{x}\n\tEND\necho '{x}'", "cat <<-END\n\t${cw_x}\n\tEND\necho ''\"${cw_x}\"''"),
        ("echo 1 # it's {x}\necho {x}", 'echo 1 # it\'s {x}\necho "${cw_x}"'),
        ("echo a#{x}", 'echo a#"${cw_x}"'),
        ("case {x} in\n a) echo {x};;\nesac", 'case "${cw_x}" in\n a) echo "${cw_x}";;\nesac'),
        ('v=$(case {x} in a) echo;; esac); echo "{x}"', 'v=$(case "${cw_x}" in a) echo;; esac); echo "${cw_x}"'),
        ("sh -c 'echo \"$1\"' sh {x}", 'sh -c \'echo "$1"\' sh "${cw_x}"'),
        ("pg_dump -d {x} > b_{x}.sql", 'pg_dump -d "${cw_x}" > b_"${cw_x}".sql'),
        ("ssh -i {x} {x}@host uptime", 'ssh -i "${cw_x}" "${cw_x}"@host uptime'),
        ("awk -v n={x} '{ print n }' {x}", 'awk -v n="${cw_x}" \'{ print n }\' "${cw_x}"'),
        ("sed -n 3p {x}", 'sed -n 3p "${cw_x}"'),
        ("psql -d {x} -v name={x} -f up.sql", 'psql -d "${cw_x}" -v name="${cw_x}" -f up.sql'),
        ("echo {x} | ssh host 'cat > f'", "echo \"${cw_x}\" | ssh host 'cat > f'"),
        ("echo {x} | sh run.sh", 'echo "${cw_x}" | sh run.sh'),
        ("psql -U postgres -d {x} < backup.sql", 'psql -U postgres -d "${cw_x}" < backup.sql'),
        ("cp {x} a; psql -d {x} < a 2>&1", 'cp "${cw_x}" a; psql -d "${cw_x}" < a 2>&1'),
        ("ls {x} 2>/dev/null >{x}", 'ls "${cw_x}" 2>/dev/null >"${cw_x}"'),
        ("echo {x}; sh run.sh | cat", 'echo "${cw_x}"; sh run.sh | cat'),
    ],
)
def test_a_placeholder_becomes_a_reference_quoted_for_its_place(template, text):
    compiled = compile_script(template, {"x": HOSTILE, "unused": "1"}, [])
    assert compiled.text == text
    assert compiled.parameters == {"cw_x": HOSTILE}
    assert HOSTILE not in compiled.text


@pytest.mark.parametrize(
    "text",
    [
        "echo ${HOME} ${VAR:-x} $(date +%F) $((1 + 2)) `date`",
        "cp f{a,b} {1..3} x{,.bak}",
        "awk '{ print $1 }' f; awk '{print $1}' f",
        """curl -d '{"a":1}' -d "{\\"b\\":{}}" http://x""",
        "docker ps --format '{{name}}'",
        "find . -exec rm {} \\;",
        "echo \\{x} ${x} $1 {X} {1x}",
        "f() { echo; }; { echo a; }",
        "cat <<'END'\n${a} `b` ' \"\nEND\n",
        "cat <<< word; [[ -n $a ]]; echo $'a\\'b'; a=(1 2)",
        "echo \\\n  next # '\nls",
    ],
)
def test_shell_text_without_placeholders_is_left_as_it_is(text):
    compiled = compile_script(text, {"x": "1", "name": "2"}, [])
    assert (compiled.text, compiled.parameters) == (text, {})


@pytest.mark.parametrize(
    "template",
    [
        'sh -c "echo {x}"',
        "sudo -u app bash -lc 'echo {x}'",
        "bash -c -e 'echo {x}'",
        "bash -ec -- {x}",
        "/bin/dash -c {x}",
        'su postgres -c "psql {x}"',
        "su --command='{x}'",
        "timeout 5 sh -c \"$(printf '{x}')\"",
        "eval {x}",
        'eval echo "{x}"',
        "trap 'rm {x}' EXIT",
        "ssh host ls {x}",
        "ssh -p 22 user@host 'ls {x}'",
        "ssh -o ProxyCommand={x} host",
        "scp f user@host:{x}",
        "echo {x} | sh",
        "echo {x} | tee f | bash -s",
        "echo {x} | ssh host",
        "{ echo {x}; } | sh",
        "(echo {x}) | sh",
        "echo {x} | xargs -I% sh -c %",
        "echo {x} | at now",
        "sh <<END\n{x}\nEND",
        "cat <<END | sh\n{x}\nEND",
        "bash <<< {x}",
        "psql <<END\n{x}\nEND",
        "echo {x} | sh 2>&1",
        "echo {x} | sh > out",
        "echo {x} |\n sh",
        "echo {x} | \\\n sh",
        "cat <<END |\n{x}\nEND\nsh",
        "echo {x} | (sh)",
        "echo {x} | if true; then sh; fi",
        "{ sh; } <<END\n{x}\nEND",
        "(bash -s) <<END\n{x}\nEND",
        "while true; do sh; done <<END\n{x}\nEND",
        "sh <(echo {x})",
        ". /dev/stdin <<END\n{x}\nEND",
        "bash /dev/stdin <<END\n{x}\nEND",
        'psql -c "select {x}"',
        "psql --command={x}",
        "mysql -e '{x}'",
        "sqlite3 a.db {x}",
        "sed 's/a/{x}/' f",
        "sed -i -e s/a/{x}/ f",
        "awk '{ print {x} }' f",
        "python3.13 -c 'print({x})'",
        "perl -ne {x} f",
        "node -e {x}",
        "[[ {x} -eq 1 ]]",
        "test -v {x}",
        "unset {x}",
        "printf -v {x} a",
        "echo $(( {x} + 1 ))",
        "(( {x} > 1 ))",
        "echo $[{x}]",
        "echo `ls {x}`",
        'echo "`ls {x}`"',
        "echo ${A:-{x}}",
        'echo "${A:-$(ls {x})}"',
        "echo $'{x}'",
        "cat <<'END'\n{x}\nEND",
        'cat <<"END"\n{x}\nEND',
        "cat <<{x}\na\n{x}",
        "echo ok; if true; then eval {x}; fi",
        "f() { eval {x}; }; f",
        "function f { eval {x}; }",
        "gawk -e {x}",
        "$SHELL -c {x}",
        "busybox sh -c {x}",
        "doas sh -o pipefail -c {x}",
        "sh -c'{x}'",
        'psql -tAc "select {x}"',
        "find . -exec sh -c '{x}' \\;",
        "env -S {x}",
        "python3 - <<END\n{x}\nEND",
    ],
)
def test_a_place_where_the_value_would_be_read_as_a_program_is_refused(template):
    with pytest.raises(PlaceholderError) as caught:
        compile_script(template, {"x": "1"}, [])
    error = caught.value
    assert error.name == "x"
    assert template[error.offset :].startswith("{x}")
    assert "%(" not in str(error)
    assert str(error.mend)


def test_it_refuses_an_unknown_name_and_lists_the_known_ones():
    with pytest.raises(PlaceholderError) as caught:
        compile_script("echo {db_nam}", {"db_name": "a", "date": "b"}, ["token"])
    assert caught.value.offset == 5
    assert "date, db_name, token_file" in str(caught.value)


def test_a_secret_is_refused_by_value_and_allowed_as_a_file():
    with pytest.raises(PlaceholderError, match=r"token_file"):
        compile_script("curl -H {token}", {}, ["token"])
    compiled = compile_script("a {token_file} \"{token_file}\" '{token_file}'", {}, ["token"])
    path = "${CLOUDWIKI_SECRETS}/token"
    assert compiled.text == f'a "{path}" "{path}" \'\'"{path}"\'\''
    assert (compiled.parameters, compiled.secrets) == ({}, ("token",))


def test_a_secrets_value_is_refused_even_if_it_is_among_the_values():
    for use in (compile_script, render, substitute):
        with pytest.raises(PlaceholderError):
            use("echo {token}", {"token": "hunter2"}, ["token"])


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_a_value_that_no_shell_can_carry_is_refused(value):
    for use in (compile_script, render, substitute):
        with pytest.raises(PlaceholderError, match="no shell can carry"):
            use("echo {x}", {"x": value}, [])


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("pg_dump -d {x} > b_{y}.sql", "pg_dump -d 'a b' > b_20261125.sql"),
        ('echo "{x} {q}"', 'echo "a b \\"\\$"'),
        ("echo '{x}'", "echo 'a b'"),
        ("curl --config {token_file}", f"curl --config {MASK}"),
    ],
)
def test_render_shows_the_command_with_its_values(template, shown):
    assert render(template, {"x": "a b", "y": "20261125", "q": '"$'}, ["token"]) == shown


def test_render_lets_no_value_disguise_itself():
    assert render("echo {x}", {"x": "a\u202eb\x1b[2J\n"}, []) == "echo 'a<U+202E>b␛[2J␊'"


def test_substitute_fills_a_text_and_keeps_what_is_no_placeholder():
    assert substitute("/b/{x}_{y}/${x} {{x}} {a,b}", {"x": "$(id)", "y": "2"}) == "/b/$(id)_2/${x} {{x}} {a,b}"


def test_a_value_is_not_filled_in_again():
    assert substitute("{x}", {"x": "{y}", "y": "no"}) == "{y}"
    assert render("echo {x}", {"x": "{y}", "y": "no"}, []) == "echo '{y}'"


def test_names_finds_placeholders_only():
    assert names("{a} {b_1}{c} ${d} {{e}} \\{f} {G} {1} {h i}") == {"a", "b_1", "c"}
