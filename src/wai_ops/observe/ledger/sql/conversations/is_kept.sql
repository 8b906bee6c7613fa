-- Whether the tables of conversations are kept, and whether there is an outcome to keep them for.
select
    exists (from wai_meta where key = 'conversations_kept') as is_kept,
    exists (from outcome) as has_outcome
