-- What stored_call.common is of such lines, where their own usage and a price list tell the cost: for
-- each cell of the price lists twelve, see `usual_place` in insert.sql. Most lines take it from here: to
-- put it together anew takes as long as a third of reading the line. Null: the day of the call is part
-- of it, or the cell has no price.
set variable usual_common = (
    select list(
        case when label is not null then concat_ws(
            chr(31),
            'gateway only',
            contract,
            state,
            usage_source,
            $target,
            $ingest_source,
            label,
            '',
            '',
            '',
            common_text(getvariable('usual').custom_cost),
            common_text(getvariable('usual').wholesale),
            common_text(getvariable('usual').status_code),
            common_text(getvariable('usual').step),
            '',
            list_extract(
                getvariable('price_names')::varchar[],
                1 + (cell - 1) % len(getvariable('price_names')::varchar[])
            ),
            common_text(getvariable('usual').provider),
            common_text(getvariable('usual').path),
            common_text(getvariable('usual').request_type),
            common_text(getvariable('usual').model_type),
            common_text(getvariable('usual').finish_reason),
            common_text(getvariable('usual').byok),
            common_text(getvariable('usual').dlp_action),
            common_text(getvariable('usual').user_agent),
            common_text(coalesce(getvariable('usual').gateway, $gateway_id)),
            '',
            common_text(getvariable('usual').cached)
        ) end
        order by cell, contract_place, usage_place, state_place
    )
    from (
        select
            unnest(getvariable('price_labels')::varchar[]) as label,
            generate_subscripts(getvariable('price_labels')::varchar[], 1) as cell
    ) as l
    cross join (values (0, 'complete'), (1, 'missing'), (2, 'partial')) as c (contract_place, contract)
    cross join (values (0, 'gateway usage'), (1, 'gateway tokens')) as u (usage_place, usage_source)
    cross join (values (0, 'metered'), (1, 'confirmed')) as s (state_place, state)
)
