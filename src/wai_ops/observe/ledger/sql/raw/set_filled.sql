-- The columns that have a value in the rows that are to be kept; and those that `rewrite` names.
set variable raw_columns = (
    select list(name)
    from (
        unpivot (
            select count(columns(*))
            from stored_call
            where rowid > $boundary and starts_with(common, 'gateway only' || chr(31))
        ) on columns(*) into name name value filled
    )
    where filled > 0
        or name in ('gateway_cost_usd', 'input_tokens')
)
