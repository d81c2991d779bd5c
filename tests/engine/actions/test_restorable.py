"""Which backups a rollback puts back, and that its plan's word on them holds."""

import pytest
from django.utils.translation import override

from releases.actions import restorable
from releases.actions.base import ActionError, NotApproved
from releases.actions.restorable import backup_for, dump_for
from releases.models import Backup
from releases.way_back import WayBack
from tests.engine.actions.dumped import Server, back_up
from tests.engine.actions.test_restore_files import App, end
from tests.engine.stage import STEP, Stage


def test_it_is_the_backup_of_the_deployment_being_undone(stage: Stage) -> None:
    app = App(stage)
    app.back_up()
    app.jar.write_text("second jar")
    second = app.back_up()
    app.jar.write_text("third jar")
    app.stage.perform("backup_files", {"files": app.files, "destination": str(app.store)})
    row = Backup.objects.get(name="app.jar.bak", deployment=second)
    second.refresh_from_db()
    assert [found.deployment_id for found in restorable.candidates(WayBack(second))] == [second.pk] * 2
    assert app.restore().problem == ""
    assert app.jar.read_text() == "second jar"
    undoing = stage.draft([{**STEP, "action": "restore_files", "parameters": {"files": app.files}}])
    assert backup_for(undoing, "app.jar.bak", stage.world.host) == row
    # Whatever is changed after the plan was made is refused.
    for change in ({"sha256": "0" * 64}, {"location": "/elsewhere"}, {"size": 7}):
        before = {name: getattr(row, name) for name in change}
        Backup.objects.filter(pk=row.pk).update(**change)
        with override("en"), pytest.raises(NotApproved, match="not the one that was approved"):
            backup_for(undoing, "app.jar.bak", stage.world.host)
        Backup.objects.filter(pk=row.pk).update(**before)
    with override("en"), pytest.raises(ActionError, match="Begin it with"):
        backup_for(stage.world.draft(), "app.jar.bak", stage.world.host)


def test_a_backup_that_a_check_took_counts_only_where_nothing_came_between(stage: Stage) -> None:
    app = App(stage)
    first = app.back_up()
    values = {
        "environment": stage.world.environment, "host": stage.world.host, "kind": "files", "name": "app.jar.bak",
        "series": "app.jar.bak",
        "size": 1, "sha256": "1" * 64, "seconds": 0,
    }  # fmt: skip
    undone = stage.world.draft()
    taken = Backup.objects.create(**values, location="/by-a-check", deployment=undone)
    end(undone)
    undone.refresh_from_db()
    assert [backup.pk for backup in restorable.candidates(WayBack(undone))] == [taken.pk]
    Backup.objects.filter(pk=taken.pk).update(created_at=first.created_at)
    assert restorable.candidates(WayBack(undone)) == [], "another deployment ended since"
    Backup.objects.filter(pk=taken.pk).update(created_at=undone.finished_at)
    assert restorable.candidates(WayBack(undone)) == [], "it ran already"


def test_it_is_the_dump_of_that_database_by_the_deployment_being_undone(stage: Stage, server: Server) -> None:
    back_up(stage, server)
    second = back_up(stage, server)
    undoing = stage.draft([{**STEP, "action": "restore_database", "parameters": server.parameters}])
    host = stage.world.host
    assert dump_for(undoing, server.parameters, host) == second
    with override("en"):
        for other in ({"database": "other"}, {"host": "db2"}, {"port": "1"}):
            with pytest.raises(ActionError, match=r"no dump of the database .* on prod-1"):
                dump_for(undoing, {**server.parameters, **other}, host)
        Backup.objects.filter(pk=second.pk).update(sha256="0" * 64)
        with pytest.raises(NotApproved):
            dump_for(undoing, server.parameters, host)
