"""Celery's way in: an import and a call each."""

from celery import Task, shared_task


@shared_task(bind=True)
def drive(self: "Task[[int], None]", deployment_id: int) -> None:
    """Drive a deployment for a while; safe to be delivered any number of times."""
    from releases.engine.driver import drive

    drive(deployment_id, redelivered=bool((self.request.delivery_info or {}).get("redelivered")))


@shared_task
def prove(item_id: int, user_id: int | None, address: str) -> None:
    """Run the check of a checklist item."""
    from releases.engine.proving import prove_item

    prove_item(item_id, user_id, address)


@shared_task
def look(look_id: int) -> None:
    """Run the probe command of a step of unknown outcome, for a person."""
    from releases.engine.looking import carry_out

    carry_out(look_id)


@shared_task
def prove_backup(proof_id: int) -> None:
    """Restore a backup to a throw-away place and compare, for a person."""
    from releases.engine.backup_proofs import carry_out

    carry_out(proof_id)


@shared_task
def take_backup(order_id: int) -> None:
    """Carry one step of a runbook out that makes backups, for a person or the daily schedule."""
    from releases.engine.backup_orders import carry_out

    carry_out(order_id)


@shared_task
def return_backup(return_id: int) -> None:
    """Send the store's copy of a backup back to its host."""
    from releases.engine.backup_returns import carry_out

    carry_out(return_id)


@shared_task
def erase_backup(backup_id: int) -> None:
    """Remove the bytes of a removed backup."""
    from releases.engine.retention import erase

    erase(backup_id)


@shared_task
def drop_kept_database(number: int) -> None:
    """Drop a database that a restore kept and that was given up."""
    from releases.engine.kept_databases import drop

    drop(number)


@shared_task
def daily_backups() -> None:
    """Order the daily backups whose time has come."""
    from releases.engine import clock, daily_backups

    daily_backups.order_due(clock.now())


@shared_task
def prune_backups() -> None:
    """Remove the backups that are past their environment's rule, and what restores kept."""
    from releases.engine import kept_databases, retention

    retention.prune()
    kept_databases.prune()


@shared_task
def recover(recovery_id: int) -> None:
    """Go on with an emergency rollback."""
    from releases.engine.recovering import carry_out

    carry_out(recovery_id)


@shared_task
def watch_rules() -> None:
    """Wake the recoveries that wait, and see which deployments break a rule of their environment."""
    from releases.engine import recovering, recovery

    recovering.send_again()
    recovery.watch()


@shared_task
def watch_gpu() -> None:
    """Look at the workers of every GPU endpoint, and at what they cost."""
    from releases.engine.gpu_watch import watch

    watch()


@shared_task
def tend_gpu_endpoint(number: int) -> None:
    """Stop a GPU endpoint, give it its workers back, or retire it, as is wanted of it."""
    from releases.engine.gpu_tending import carry_out

    carry_out(number)


@shared_task
def prove_gpu_endpoint(number: int) -> None:
    """Ask a GPU endpoint, for a person."""
    from releases.engine.gpu_asking import carry_out

    carry_out(number)


@shared_task
def reconcile_gpu_bills() -> None:
    """Read what GPU endpoints were billed."""
    from releases.engine.gpu_bills import reconcile

    reconcile()


@shared_task
def check_gpu_daily() -> None:
    """Look at the GPU endpoints that are kept for a rollback, once a day."""
    from releases.engine import clock, gpu_daily

    gpu_daily.check_due(clock.now())


@shared_task
def check_hosts(environment_id: int) -> None:
    """Try every host of an environment and keep what was found."""
    from releases.enrolment import check_environment_by_id

    check_environment_by_id(environment_id)


@shared_task
def order_readings() -> None:
    """Order the readings of hosts whose time has come."""
    from releases.engine import capacity

    capacity.order_due()


@shared_task
def read_host(host_id: int) -> None:
    """Read what a host uses of what it has."""
    from releases.engine import capacity

    capacity.carry_out(host_id)


@shared_task
def prune_readings() -> None:
    """Give up readings of hosts that are past their time."""
    from releases.engine import capacity_keeping

    capacity_keeping.prune()


@shared_task
def check_gpu_account(account_id: int) -> None:
    """Ask the provider of a GPU account for all that it holds and keep what was found."""
    from releases.engine.gpu_accounts import check

    check(account_id)


@shared_task
def publish_pages() -> None:
    """Write every project's public page."""
    from releases.public.publish import every_page

    every_page()


@shared_task
def publish_page(slug: str) -> None:
    """Write one project's public page, as something on it changed."""
    from releases.public.publish import page

    page(slug)


@shared_task
def deliver_notices() -> None:
    """Send what waits in the outbox of announcements."""
    from releases.engine.delivering import deliver_due

    deliver_due()


@shared_task
def watch_announcements() -> None:
    """Move the planned time of runs that are late, and remind of what begins soon."""
    from releases.engine import announcing, clock

    announcing.postpone_late(clock.now())
    announcing.remind_due(clock.now())


@shared_task
def tidy() -> None:
    """Remove from machines what ended attempts left there."""
    from releases.engine.tidy import tidy

    tidy()


@shared_task
def reconcile() -> None:
    """Turn rows that wait for work into messages."""
    from releases.engine.reconcile import reconcile

    reconcile()


@shared_task
def watch_thresholds() -> None:
    """Fetch the counts of active users that are due, and see which thresholds were reached."""
    from releases.engine import clock, thresholds, user_reports

    user_reports.fetch_due(clock.now())
    thresholds.watch(clock.now())


@shared_task
def fetch_active_users(project_id: int) -> None:
    """Ask the address of a project for its count of active users."""
    from releases.engine.user_reports import fetch

    fetch(project_id)


@shared_task
def look_at_risks(project_id: int) -> None:
    """Run the checks of a project's risks."""
    from releases.engine.risk_rounds import carry_out

    carry_out(project_id)


@shared_task
def risks_due() -> None:
    """Send for the checks whose hour has come, and open what was accepted until now."""
    from releases.engine import clock, risk_rounds

    risk_rounds.send_due(clock.now())
