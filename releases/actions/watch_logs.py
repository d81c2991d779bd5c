"""Watching logs for a set time."""

import re

from django.utils.translation import gettext as _

from releases.actions.base import Script, ScriptAction, StepContext
from releases.actions.explain import explain_tail, plain
from releases.actions.patterns import to_extended
from releases.actions.texts import shell_text, shown


class WatchLogs(ScriptAction):
    """Follows files from their end, and commands; fails at the first line that matches one of `fail_on`."""

    kind = "watch_logs"

    def script(self, context: StepContext) -> Script:
        parameters = context.parameters
        commands = [context.planned.scripts[f"commands[{n}]"] for n in range(len(parameters.get("commands", [])))]
        files, patterns = parameters.get("files", []), parameters.get("fail_on", [])
        values = {name: value for command in commands for name, value in command.parameters.items()}
        data = {
            **values,
            **_numbered("command", [command.text for command in commands]),
            **_numbered("file", files),
            **_numbered("pattern", [to_extended(pattern) for pattern in patterns]),
            **{f"step_fail_{n}": pattern for n, pattern in enumerate(patterns, start=1)},
            "step_commands": str(len(commands)),
            "step_files": str(len(files)),
            "step_patterns": str(len(patterns)),
            "step_seconds": str(parameters["seconds"]),
            "step_shown": shown(context.planned.lines),
            "step_sources": shell_text("watch_sources.sh"),
        }
        data["step_exports"] = " ".join(name for name in data if name not in {"step_shown", "step_sources"})
        secrets = tuple(dict.fromkeys(secret for command in commands for secret in command.secrets))
        return Script(shell_text("machine.sh", "watch_logs.sh"), data, secrets)

    def succeeded(self, context: StepContext) -> None:
        context.evidence["watched_seconds"] = int(context.parameters["seconds"])

    def explain(self, exit_code: int, tail: bytes) -> str:
        text = plain(tail)
        if found := re.search(r"^watch: matched (.*?): (.*)", text, re.MULTILINE):
            return _("A line matched %(pattern)s: %(line)s") % {"pattern": found[1], "line": found[2][:300]}
        if found := re.search(r"^watch: ended early with exit code (\d+): (.*)", text, re.MULTILINE):
            sentence = _("%(command)s ended early with exit code %(code)s, so nothing was watched any more.")
            said = explain_tail(tail)
            return f"{sentence % {'command': found[2], 'code': found[1]}} {said}".strip()
        return explain_tail(tail, exit_code)


def _numbered(name: str, values: list[str]) -> dict[str, str]:
    return {f"step_{name}_{n}": value for n, value in enumerate(values, start=1)}
