-- Every column that a log row has, stored as it was parsed, and nothing else: no look for secrets, no
-- prices, no kinds of failures, no ids to match, no roll-ups.
create table log_row as from log_line
