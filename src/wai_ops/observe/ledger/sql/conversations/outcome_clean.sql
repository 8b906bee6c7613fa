-- Every outcome is counted.
delete from outcome_dirty
