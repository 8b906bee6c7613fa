-- Requests that a row was taken from, as hashes.
create or replace temp table stale_request (request_hash ubigint)
