-- Whether suspects are to be left for a second look.
set variable is_first_look = $is_first_look
