-- Of a window that goes on past that time the rest stays, with the rows that it still has.
update ingest_window as w
set
    since = $before,
    reported_count = null,
    row_count = (
        select count(*)
        from model_call as c
        where c.gateway_id = w.gateway_id
            and c.ingest_source = w.source
            and c.created_at >= $before
            and c.created_at < w.until
    )
where since < $before
