-- Feedback of these windows is recorded anew, as it is now.
delete from outcome as o
where o.source = 'feedback'
    and exists (
        from model_call as c
        where c.created_at = o.recorded_at
            and c.created_at between $since and $until
            and c.tenant = o.tenant
            and c.workflow = o.workflow
            and c.conversation_id = o.conversation_id
            and c.log_id is not null
    )
