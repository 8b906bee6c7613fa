-- Whether an outcome has changed.
select exists (from outcome_dirty)
