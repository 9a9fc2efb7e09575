"""Toggl Track as a client meets it: Track v9, Reports v3 and Webhooks v1.

Where each item of the reference (toggl.md, section 11: what to imitate) is built. Switches: sandbox/http/switches.py.

Observed or documented
    token and mail with password, 401 empty, 403 JSON string: access.py `_user`
    errors as bare JSON strings, POST answers 200: access.py `refused`
    headers of live answers: access.py; gzip of reports: sandbox/http/wire.py
    `+00:00` when read, `Z` when written, `at` with up to six digits: rows.py
    running durations, `current` null, since with deleted ones, since and before, three-month floor, 1000 entries, a
    bare date is midnight: track/own_entries.py
    project pages 151/200 with X-Page, clients active only, tags, users: track/track.py
    entries written, stopped, deleted; a hundred patched at once, partly failing; tag_action: track/writing.py
    clients, projects and tags made, changed, deleted: track/dictionaries.py
    report rows, cursors, X-Range, defaults, zone offsets, [null] filters: reports.py (kept for paging by listings.py)
    both budgets, their headers, 402: quota.py; toggl_quota_enforced
    402 for what Free lacks: plan_features.py, track/dictionaries.py, reports.py; billable on Free stays false:
    track/writing.py
    admin against member: visibility.py
    webhooks: subscriptions.py (calls, limits, ping, both ways to validate), events.py (events, signature, at least
    once with a fresh timestamp), sandbox/http/deliveries.py
Guesses, each a switch
    402 quoted or bare, its words: toggl_quota_body, toggl_quota_text
    a page size over the limit, and the limit: toggl_page_size_over, toggl_largest_page; pages of clients:
    toggl_clients_paged
    retry schedule, disabling: toggl_webhook_retry_minutes, toggl_webhook_disable_after
    payload of a deleted event: toggl_deleted_payload
    deliveries gone wrong: toggl_webhook_copies, toggl_webhook_delay_seconds, toggl_webhook_signature,
    toggl_webhook_early
    429 as HTML, Retry-After: toggl_429_html, toggl_429_retry_after
    what is charged: toggl_refusals_count, toggl_me_quota_charged, toggl_webhook_calls_charged
    the limiter per second: toggl_per_second
    null or []: toggl_empty_lists
    running entries in reports: toggl_running_in_reports, toggl_running_seconds
    the last day and the zone of a report: toggl_end_date, toggl_day_zone
    tags in a PUT without tag_action, or with remove: toggl_put_tags, toggl_tag_action_remove
    the answer of a tag's POST: toggl_tag_answer
    an admin's writing for others, locked periods: toggl_admin_edits_others, toggl_locked_before
    a star in an event filter, secrets in lists: toggl_star_counts, toggl_secret_in_lists
"""
