-- How much the ledger holds, and how far the outbox of this id has been loaded.
select
    (select count(*) from attempt) as attempt_count,
    (select count(*) from session_event) as session_event_count,
    (select count(*) from outcome) as outcome_count,
    (select count(*) from tool_call) as tool_call_count,
    (select count(*) from decision) as decision_count,
    (select count(*) from other_event) as other_event_count,
    (select count(*) from quarantine) as quarantined_count,
    (select count(ingest_source) from model_call) as gateway_row_count,
    (select max(folded_through) from fold_mark where outbox_id = $outbox_id) as folded_through,
    (select max(folded_at) from fold_mark) as folded_at
