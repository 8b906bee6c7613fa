-- Whether any gateway row is here to be matched.
select exists (from model_call where sources <> 'client only')
