"""The addresses of the pages. A generated test walks them all with every role."""

from django.urls import URLPattern, URLResolver, path

from releases.views import (
    announcements,
    backup_things,
    backups,
    channels,
    capacity,
    capacity_edit,
    compatibility,
    consent,
    cost_edit,
    costs,
    dashboard,
    decide,
    deliveries,
    deployments,
    environment_rows,
    environments,
    first_deploy,
    gpu_accounts,
    gpu_endpoints,
    gpu_logs,
    gpu_orders,
    gpu_settings,
    gpu_spec,
    history,
    hosts,
    insights,
    insights_comparison,
    insights_steps,
    insights_thresholds,
    kept_databases,
    live,
    notice_edit,
    notices,
    price_import,
    me,
    recovery,
    releases,
    risk_presses,
    risks,
    roll_back,
    runbooks,
    search,
    system,
    wordings,
    wiki,
    wiki_edit,
    wiki_import,
)

app_name = "releases"

deployment_urls: list[URLPattern | URLResolver] = [
    path("deployments/", deployments.deployments, name="deployments"),
    path("deployments/new", deployments.new_deployment, name="new_deployment"),
    path("deployments/<int:number>/", deployments.deployment, name="deployment"),
    path("deployments/<int:number>/live", deployments.live, name="live"),
    path("deployments/<int:number>/roll-back", roll_back.ask_or_make, name="roll_back"),
]

deployment_verbs: list[URLPattern | URLResolver] = [
    path("deployments/<int:number>/rebuild", consent.rebuild, name="rebuild"),
    path("deployments/<int:number>/prove", consent.prove_all, name="prove_all"),
    path("deployments/<int:number>/check-hosts", consent.check_hosts, name="check_hosts"),
    path("deployments/<int:number>/approve", consent.approve, name="approve"),
    path("deployments/<int:number>/start", consent.start_deployment, name="start"),
    path("deployments/<int:number>/cancel", decide.cancel, name="cancel"),
    path("deployments/<int:number>/emergency", recovery.emergency, name="emergency"),
    path("recoveries/<int:number>/refuse", recovery.refuse, name="refuse_recovery"),
    path("recoveries/<int:number>/hurry", recovery.hurry, name="hurry_recovery"),
    path("recoveries/<int:number>/clear", recovery.clear, name="clear_recovery"),
    path("approvals/<int:number>/withdraw", consent.withdraw, name="withdraw"),
    path("checklist/<int:number>/tick", consent.tick, name="tick"),
    path("checklist/<int:number>/untick", consent.untick, name="untick"),
    path("checklist/<int:number>/prove", consent.prove, name="prove"),
    path("steps/<int:number>/retry", decide.retry, name="retry"),
    path("steps/<int:number>/skip", decide.skip, name="skip"),
    path("steps/<int:number>/confirm", decide.confirm, name="confirm"),
    path("steps/<int:number>/look", decide.look, name="look"),
    path("steps/<int:number>/resolve", decide.resolve, name="resolve"),
]

live_urls: list[URLPattern | URLResolver] = [
    path("deployments/<int:number>/events", live.events, name="events"),
    path("attempts/<int:number>/log", live.log_lines, name="log_lines"),
    path("attempts/<int:number>/log/raw", live.log_raw, name="log_raw"),
    path("attempt-files/<int:number>", live.attempt_file, name="attempt_file"),
]

release_urls: list[URLPattern | URLResolver] = [
    path("releases/", releases.releases, name="releases"),
    path("releases/new", releases.new_release, name="new_release"),
    path("releases/<int:number>/", releases.release, name="release"),
    path("releases/<int:number>/edit", releases.edit_release, name="edit_release"),
    path("releases/<int:number>/artifacts", releases.add_artifact, name="add_artifact"),
    path("releases/<int:number>/gpu", gpu_spec.edit_spec, name="release_gpu"),
    path("releases/<int:number>/gpu/remove", gpu_spec.remove_spec, name="remove_release_gpu"),
    path("artifacts/<int:number>/record", releases.record_artifact, name="record_artifact"),
]

runbook_urls: list[URLPattern | URLResolver] = [
    path("runbooks/", runbooks.runbooks, name="runbooks"),
    path("runbooks/new", runbooks.new_runbook, name="new_runbook"),
    path("runbooks/validate", runbooks.validate_runbook, name="validate_runbook"),
    path("runbooks/<int:number>/", runbooks.runbook, name="runbook"),
    path("runbooks/<int:number>/edit", runbooks.edit_runbook, name="edit_runbook"),
    path("runbook-versions/<int:number>/text", runbooks.runbook_text, name="runbook_text"),
]

host_urls: list[URLPattern | URLResolver] = [
    path("hosts/", hosts.hosts, name="hosts"),
    path("hosts/new", hosts.new_host, name="new_host"),
    path("hosts/<int:number>/", hosts.host, name="host"),
    path("hosts/<int:number>/edit", hosts.edit_host, name="edit_host"),
    path("hosts/<int:number>/scan", hosts.scan, name="scan_host"),
    path("hosts/<int:number>/pin", hosts.pin, name="pin_host"),
    path("hosts/<int:number>/unpin", hosts.unpin, name="unpin_host"),
    path("hosts/<int:number>/check", hosts.check, name="check_host"),
]

environment_urls: list[URLPattern | URLResolver] = [
    path("environments/<int:number>/", environments.environment, name="environment"),
    path("environments/<int:number>/edit", environments.edit_environment, name="edit_environment"),
    path("environments/<int:number>/lock", environments.lock, name="lock"),
    path("environments/<int:number>/unlock", environments.unlock, name="unlock"),
    path("environments/<int:number>/take-over", environments.take_over, name="take_over"),
    path("environments/<int:number>/variables", environment_rows.set_variable, name="set_variable"),
    path("environments/<int:number>/windows", environment_rows.add_window, name="add_window"),
    path("environments/<int:number>/probes", environment_rows.set_probe, name="set_probe"),
    path("environments/<int:number>/backups", backup_things.environment_backups, name="environment_backups"),
    path("environments/<int:number>/backups/take", backup_things.take, name="take_backups"),
    path("environments/<int:number>/gpu", gpu_settings.settings, name="environment_gpu"),
    path("environments/<int:number>/gpu/edit", gpu_settings.edit_settings, name="edit_environment_gpu"),
    path("variables/<int:number>/delete", environment_rows.delete_variable, name="delete_variable"),
    path("windows/<int:number>/remove", environment_rows.remove_window, name="remove_window"),
]

gpu_urls: list[URLPattern | URLResolver] = [
    path("gpu/", gpu_endpoints.endpoints, name="gpu_endpoints"),
    path("gpu/endpoints/<int:number>/", gpu_endpoints.endpoint, name="gpu_endpoint"),
    path("gpu/endpoints/<int:number>/workers/<str:worker>/log", gpu_logs.worker_log, name="worker_log"),
    path(
        "gpu/endpoints/<int:number>/workers/<str:worker>/log-events",
        gpu_logs.worker_log_events,
        name="worker_log_events",
    ),
    path("gpu/accounts/", gpu_accounts.accounts, name="gpu_accounts"),
    path("gpu/accounts/new", gpu_accounts.new_account, name="new_gpu_account"),
    path("gpu/accounts/<int:number>/", gpu_accounts.account, name="gpu_account"),
    path("gpu/accounts/<int:number>/edit", gpu_accounts.edit_account, name="edit_gpu_account"),
    path("gpu/accounts/<int:number>/key", gpu_accounts.set_key, name="set_gpu_key"),
    path("gpu/accounts/<int:number>/check", gpu_accounts.check, name="check_gpu_account"),
    path("gpu/accounts/<int:number>/adopt", gpu_accounts.adopt, name="adopt_gpu_endpoint"),
]

gpu_verbs: list[URLPattern | URLResolver] = [
    path("gpu/endpoints/<int:number>/stop", gpu_orders.stop, name="stop_gpu_endpoint"),
    path("gpu/endpoints/<int:number>/allow", gpu_orders.allow, name="allow_gpu_endpoint"),
    path("gpu/endpoints/<int:number>/prove", gpu_orders.prove, name="prove_gpu_endpoint"),
    path("gpu/endpoints/<int:number>/retire", gpu_orders.retire, name="retire_gpu_endpoint"),
    path("gpu/endpoints/<int:number>/keep", gpu_orders.keep, name="keep_gpu_endpoint"),
]

cost_urls: list[URLPattern | URLResolver] = [
    path("costs/", costs.costs, name="costs"),
    path("projects/<int:number>/costs", costs.project_costs, name="project_costs"),
    path("projects/<int:number>/costs/prices", costs.prices, name="project_prices"),
    path("projects/<int:number>/costs/prices/new", cost_edit.new_price, name="new_price"),
    path("projects/<int:number>/costs/prices/import", price_import.import_prices, name="import_prices"),
    path("projects/<int:number>/costs/items/new", cost_edit.new_item, name="new_cost_item"),
    path("projects/<int:number>/costs/scenarios/new", cost_edit.new_scenario, name="new_cost_scenario"),
    path("projects/<int:number>/costs/traffic/new", cost_edit.new_traffic, name="new_cost_traffic"),
    path("prices/<int:number>/edit", cost_edit.edit_price, name="edit_price"),
    path("cost-items/<int:number>/edit", cost_edit.edit_item, name="edit_cost_item"),
    path("cost-scenarios/<int:number>/edit", cost_edit.edit_scenario, name="edit_cost_scenario"),
    path("cost-traffic/<int:number>/edit", cost_edit.edit_traffic, name="edit_cost_traffic"),
]

capacity_urls: list[URLPattern | URLResolver] = [
    path("capacity/", capacity.hosts, name="capacity"),
    path("hosts/<int:number>/capacity", capacity.host, name="capacity_host"),
    path("hosts/<int:number>/capacity/edit", capacity_edit.edit_watch, name="edit_capacity_host"),
    path("hosts/<int:number>/components/new", capacity_edit.new_component, name="new_component"),
    path("components/<int:number>/edit", capacity_edit.edit_component, name="edit_component"),
]

cost_verbs: list[URLPattern | URLResolver] = [
    path("projects/<int:number>/costs/load-seed", costs.load_seed, name="load_seed_costs"),
    path("prices/<int:number>/remove", cost_edit.remove_price, name="remove_price"),
    path("cost-items/<int:number>/remove", cost_edit.remove_item, name="remove_cost_item"),
    path("cost-scenarios/<int:number>/remove", cost_edit.remove_scenario, name="remove_cost_scenario"),
    path("cost-traffic/<int:number>/remove", cost_edit.remove_traffic, name="remove_cost_traffic"),
    path("hosts/<int:number>/capacity/read", capacity.read_now, name="read_host"),
    path("hosts/<int:number>/capacity/load-plan", capacity.load_plan, name="load_seed_plan"),
    path("components/<int:number>/remove", capacity_edit.remove_component, name="remove_component"),
risk_urls: list[URLPattern | URLResolver] = [
    path("risks/", risks.risks, name="risks"),
    path("risks/<int:number>/", risks.risk, name="risk"),
    path("hosts/<int:number>/risks", risks.host_risks, name="host_risks"),
]

risk_verbs: list[URLPattern | URLResolver] = [
    path("risks/<int:number>/accept", risk_presses.accept, name="accept_risk"),
    path("risks/<int:number>/reopen", risk_presses.reopen, name="reopen_risk"),
    path("risks/<int:number>/assign", risk_presses.assign, name="assign_risk"),
    path("projects/<int:number>/look-at-risks", risk_presses.look, name="look_at_risks"),
    path("hosts/<int:number>/risks/switch", risk_presses.switch, name="switch_host_risks"),
]

project_urls: list[URLPattern | URLResolver] = [
    path("projects/<int:number>/compatibility", compatibility.matrix, name="compatibility"),
    path("projects/<int:number>/compatibility/say", compatibility.say, name="say_compatibility"),
]

insights_urls: list[URLPattern | URLResolver] = [
    path("insights/", insights.insights, name="insights"),
    path("insights/deployments", insights.deployments, name="insights_deployments"),
    path("insights/outages", insights.outages, name="insights_outages"),
    path("insights/thresholds", insights_thresholds.page, name="insights_thresholds"),
    path("insights/thresholds/deployments", insights.threshold_deployments, name="insights_threshold_deployments"),
    path("insights/comparison", insights_comparison.page, name="insights_comparison"),
    path("projects/<int:number>/comparison", insights_comparison.edit, name="edit_comparison"),
    path("runbooks/<int:number>/steps", insights_steps.figures, name="runbook_steps"),
    path("runbooks/<int:number>/estimates", insights_steps.estimates, name="runbook_estimates"),
]

insights_verbs: list[URLPattern | URLResolver] = [
    path("projects/<int:number>/complaints", insights_thresholds.complain, name="enter_complaint"),
    path("complaints/<int:number>/withdraw", insights_thresholds.withdraw, name="withdraw_complaint"),
    path("projects/<int:number>/active-users", insights_thresholds.enter_users, name="enter_active_users"),
    path("projects/<int:number>/active-users/source", insights_thresholds.set_source, name="set_active_users_source"),
    path("projects/<int:number>/active-users/fetch", insights_thresholds.fetch_users, name="fetch_active_users"),
]

record_urls: list[URLPattern | URLResolver] = [
    path("", dashboard.dashboard, name="dashboard"),
    path("history/", history.history, name="history"),
    path("audit/", history.audit_log, name="audit"),
    path("audit/verify", history.audit_verify, name="audit_verify"),
    path("kept-databases/<int:number>/drop", kept_databases.drop, name="drop_kept_database"),
    path("backups/", backups.backups, name="backups"),
    path("backups/<int:number>/", backups.backup, name="backup"),
    path("backups/<int:number>/prove", backups.prove, name="prove_backup"),
    path("backups/<int:number>/remove", backups.remove, name="remove_backup"),
    path("backups/<int:number>/return", backups.send_back, name="return_backup"),
    path("me/", me.me, name="me"),
    path("search/", search.search, name="search"),
    path("system/", system.system, name="system"),
    path("metrics", system.metrics, name="metrics"),
]

notice_urls: list[URLPattern | URLResolver] = [
    path("notices/", notices.notices, name="notices"),
    path("notices/new", notice_edit.new_notice, name="new_notice"),
    path("notices/<int:number>/", notices.notice, name="notice"),
    path("notices/<int:number>/edit", notice_edit.edit_notice, name="edit_notice"),
    path("channels/", channels.channels, name="channels"),
    path("channels/new", channels.new_channel, name="new_channel"),
    path("channels/<int:number>/edit", channels.edit_channel, name="edit_channel"),
    path("deliveries/", deliveries.deliveries, name="deliveries"),
    path("projects/<int:number>/wordings", wordings.wordings, name="wordings"),
    path("projects/<int:number>/wordings/edit", wordings.edit_wording, name="edit_wording"),
]

notice_verbs: list[URLPattern | URLResolver] = [
    path("channels/<int:number>/remove", channels.remove_channel, name="remove_channel"),
    path("channels/<int:number>/test", channels.send_test, name="test_channel"),
    path("deliveries/<int:number>/again", deliveries.retry_delivery, name="retry_delivery"),
    path("projects/<int:number>/wordings/reset", wordings.reset_wording, name="reset_wording"),
wiki_urls: list[URLPattern | URLResolver] = [
    path("wiki/", wiki.wiki, name="wiki"),
    path("wiki/new", wiki_edit.new_page, name="new_wiki"),
    path("wiki/import", wiki_import.import_pages, name="import_wiki"),
    path("projects/<int:number>/wiki/<str:slug>/", wiki.page, name="wiki_page"),
    path("wiki/<int:number>/edit", wiki_edit.edit_page, name="edit_wiki"),
    path("wiki/<int:number>/move", wiki_edit.move_page, name="move_wiki"),
    path("wiki/<int:number>/history", wiki.history, name="wiki_history"),
    path("projects/<int:number>/first-deploy", first_deploy.first_deploy, name="first_deploy"),
]

wiki_verbs: list[URLPattern | URLResolver] = [
    path("wiki/<int:number>/restore", wiki_edit.restore_page, name="restore_wiki"),
    path("wiki/<int:number>/archive", wiki_edit.archive_page, name="archive_wiki"),
    path("wiki/<int:number>/unarchive", wiki_edit.unarchive_page, name="unarchive_wiki"),
    path("projects/<int:number>/first-deploy/close", first_deploy.close, name="close_first_deploy"),
    path("runbook-versions/<int:number>/read", first_deploy.read, name="read_runbook"),
]

public_urls: list[URLPattern | URLResolver] = [
    path("announcements/", announcements.announcements, name="announcements"),
    path("announcements/<slug:slug>/", announcements.project_announcements, name="project_announcements"),
    path("announcements/<slug:slug>/<int:number>/", announcements.announcement, name="public_announcement"),
    path("announcements/<slug:slug>/embed/", announcements.public_embed, name="public_embed"),
    path("announcements/<slug:slug>/banner/", announcements.public_banner, name="public_banner"),
    path("announcements/<slug:slug>/badge.svg", announcements.public_badge, name="public_badge"),
    path("announcements/<slug:slug>/feed.atom", announcements.public_atom, name="public_atom"),
    path("announcements/<slug:slug>/feed.json", announcements.public_json_feed, name="public_json_feed"),
    path("announcements/<slug:slug>/calendar.ics", announcements.public_calendar, name="public_calendar"),
    path("announcements/<slug:slug>/status.json", announcements.public_status, name="public_status"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    *deployment_urls,
    *record_urls,
    *release_urls,
    *runbook_urls,
    *host_urls,
    *environment_urls,
    *gpu_urls,
    *risk_urls,
    *risk_verbs,
    *project_urls,
    *notice_urls,
    *wiki_urls,
    *wiki_verbs,
    *public_urls,
    *deployment_verbs,
    *gpu_verbs,
    *notice_verbs,
    *insights_urls,
    *public_urls,
    *deployment_verbs,
    *gpu_verbs,
    *insights_verbs,
    *cost_urls,
    *capacity_urls,
    *public_urls,
    *deployment_verbs,
    *gpu_verbs,
    *cost_verbs,
    *live_urls,
]
