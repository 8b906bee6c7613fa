-- Whether any gateway row is here to be matched. See stored_form for the texts in `common`; binding the
-- view takes longer than all that is asked here.
select exists (from stored_call where not starts_with(common, 'client only' || chr(31)))
