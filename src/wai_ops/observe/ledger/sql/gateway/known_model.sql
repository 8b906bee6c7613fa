-- Names of models, in which no secret is looked for.
create or replace temp table known_model as select unnest($names::varchar[]) as model
