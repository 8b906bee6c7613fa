-- Money that is set aside before a call is sent. Amounts are whole picodollars (1e-12 USD), so that
-- sums are exact. A budget is a key and, where it counts from some time on, that time ('' where it
-- counts for ever). limit_pico is the limit that the last call named: the policy is what says it.
create table budget (
    budget_key text not null,
    window_start text not null,
    limit_pico integer not null check (limit_pico >= 0),
    spent_pico integer not null default 0 check (spent_pico >= 0),
    changed_at text not null,
    primary key (budget_key, window_start)
) strict, without rowid;

-- One row for each budget that a call reserves in. `open`: the call is in flight. `unknown`: it ended
-- and nobody said what it cost, so that all of it counts as spent until somebody does.
create table reservation (
    reservation_id text not null,
    budget_key text not null,
    window_start text not null,
    amount_pico integer not null check (amount_pico >= 0),
    state text not null check (state in ('open', 'unknown')),
    owner text not null,
    run_id text not null,
    reserved_at text not null,
    primary key (reservation_id, budget_key)
) strict, without rowid;
create index reservation_of_budget on reservation (budget_key, window_start);

-- The risk tier that a turn was of. Null: no policy held.
alter table turn add column risk_tier text;
