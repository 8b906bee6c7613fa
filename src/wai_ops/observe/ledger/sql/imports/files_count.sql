-- What each file of a batch brings, before it is loaded: its lines, the ids that are new to batch and
-- ledger, and the ids that an earlier line of the batch had.
with line as (
    select
        list_position($files::varchar[], filename) as place,
        id,
        try_cast(created_at as timestamptz)::timestamp as created_at
    from read_json(
        $files::varchar[],
        format = 'newline_delimited',
        maximum_object_size = 33554432,
        ignore_errors = true,
        filename = true,
        columns = {id: 'VARCHAR', created_at: 'VARCHAR'}
    )
    where id is not null
),
numbered as (
    select *, row_number() over (partition by id order by place) as nth from line
),
held as (
    select distinct log_id
    from model_call
    where log_id is not null
        and created_at between (select min(created_at) from line) and (select max(created_at) from line)
)
select
    place,
    count(*) as row_count,
    count(*) filter (nth = 1 and log_id is null) as inserted_count,
    count(*) filter (nth > 1) as duplicate_count
from numbered
left join held on id = log_id
group by place
order by place
