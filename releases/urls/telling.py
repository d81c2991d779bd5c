"""Addresses of what tells: announcements, the public page, insights, costs, capacity, risks, the wiki."""

from django.urls import URLPattern, URLResolver, path

from releases.views import (
    announcements,
    capacity,
    capacity_edit,
    channels,
    cost_edit,
    costs,
    deliveries,
    first_deploy,
    insights,
    insights_comparison,
    insights_steps,
    insights_thresholds,
    notice_edit,
    notices,
    price_import,
    risk_presses,
    risks,
    wiki,
    wiki_edit,
    wiki_import,
    wordings,
)

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

cost_verbs: list[URLPattern | URLResolver] = [
    path("projects/<int:number>/costs/load-seed", costs.load_seed, name="load_seed_costs"),
    path("prices/<int:number>/remove", cost_edit.remove_price, name="remove_price"),
    path("cost-items/<int:number>/remove", cost_edit.remove_item, name="remove_cost_item"),
    path("cost-scenarios/<int:number>/remove", cost_edit.remove_scenario, name="remove_cost_scenario"),
    path("cost-traffic/<int:number>/remove", cost_edit.remove_traffic, name="remove_cost_traffic"),
    path("hosts/<int:number>/capacity/read", capacity.read_now, name="read_host"),
    path("hosts/<int:number>/capacity/load-plan", capacity.load_plan, name="load_seed_plan"),
    path("components/<int:number>/remove", capacity_edit.remove_component, name="remove_component"),
]

capacity_urls: list[URLPattern | URLResolver] = [
    path("capacity/", capacity.hosts, name="capacity"),
    path("hosts/<int:number>/capacity", capacity.host, name="capacity_host"),
    path("hosts/<int:number>/capacity/edit", capacity_edit.edit_watch, name="edit_capacity_host"),
    path("hosts/<int:number>/components/new", capacity_edit.new_component, name="new_component"),
    path("components/<int:number>/edit", capacity_edit.edit_component, name="edit_component"),
]

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
    path("hosts/<int:number>/risks/set", risk_presses.set_looks, name="set_host_risks"),
    path("hosts/<int:number>/risks/switch", risk_presses.switch, name="switch_host_risks"),
]

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

pages: list[URLPattern | URLResolver] = [
    *notice_urls,
    *public_urls,
    *insights_urls,
    *cost_urls,
    *capacity_urls,
    *risk_urls,
    *wiki_urls,
]
# Presses alone: they answer POST.
verbs: list[URLPattern | URLResolver] = [
    *notice_verbs,
    *insights_verbs,
    *cost_verbs,
    *risk_verbs,
    *wiki_verbs,
]
