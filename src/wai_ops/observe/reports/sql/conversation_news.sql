-- Whether the counts of conversations are kept, and nothing waits to be counted.
select
    exists (from wai_meta where key = 'conversations_kept')
    and not exists (from conversation_stale)
    and not exists (from outcome_dirty)
    and not exists (from rollup_dirty) as is_current
