-- The models that the price book knows, priced or not: a model's place here is its place in the lists.
set variable price_names = $names::varchar[]
