-- What the ledger knows about its own completeness, whatever the window.
select
    (select count(*) from quarantine) as quarantined_count,
    (select count(*) from ingest_quarantine) as unread_line_count,
    (select count(*) from outcome) as outcome_count,
    (
        select coalesce(list({'gateway_id': gateway_id, 'since': since, 'through': through}), [])
        from (
            select gateway_id, min(since) as since, max(through) as through
            from ingest_mark
            group by gateway_id
            order by gateway_id
        )
    ) as marks
