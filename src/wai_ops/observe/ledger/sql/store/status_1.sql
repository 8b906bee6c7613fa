-- The same of a ledger of schema version 1, which had fewer tables.
select
    (select count(*) from attempt) as attempt_count,
    (select count(*) from session_event) as session_event_count,
    0 as outcome_count,
    0 as tool_call_count,
    0 as decision_count,
    (select count(*) from other_event) as other_event_count,
    (select count(*) from quarantine) as quarantined_count,
    0 as gateway_row_count,
    (select max(folded_through) from fold_mark where outbox_id = $outbox_id) as folded_through,
    (select max(folded_at) from fold_mark) as folded_at
