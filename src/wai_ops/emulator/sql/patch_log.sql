-- What a client thinks of a row; each part only where it was sent.
update log set
    feedback = case when :sets_feedback then :feedback else feedback end,
    score = case when :sets_score then :score else score end,
    metadata = case when :sets_metadata then :metadata else metadata end
where gateway_id = :gateway_id and id = :id and visible_at <= :now
